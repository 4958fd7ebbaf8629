"""Send marks to Canvas through its API (`distillab push canvas`): first what would change, then, if asked, the change.

Only marks that differ from what is in Canvas are sent, so a second run sends what the first one could not. A mark is
never cleared. The access token comes from the environment and stands in no message.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from helpers.grader.errors import GraderError
from helpers.grader.intake.names import download_name, same_id
from helpers.grader.intake.roster import Person
from helpers.grader.reports.lms_export import MarkTable

if TYPE_CHECKING:  # an optional dependency, imported only when marks are sent
    from canvasapi.assignment import Assignment
    from canvasapi.course import Course

TOKEN, URL = "CANVAS_API_TOKEN", "CANVAS_API_URL"
EXCUSED = "excused"
NOTHING = "–"  # what a student has in Canvas who has no mark there


@dataclass(frozen=True)
class Change:
    """One student's mark: what Canvas has now, and what it would have."""

    student: str
    name: str
    user: int  # Canvas's id
    now: str
    new: str

    @property
    def parameters(self) -> dict[str, Any]:
        """What Canvas's API calls it."""
        return {"excuse": True} if self.new == EXCUSED else {"posted_grade": self.new}


@dataclass
class Plan:
    """What a push would do."""

    title: str
    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    without_mark: int = 0
    not_in_canvas: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The plan as text: who gets what in place of what, and who is left out."""
        width = max([len(change.name) for change in self.changes] + [len("student")]) + 2
        table = [f"{change.name:<{width}}{change.now:>10}  →  {change.new}" for change in self.changes]
        counts = f"{len(self.changes)} to change, {self.unchanged} already there, {self.without_mark} without a mark"
        missing = f"not in this Canvas course: {', '.join(self.not_in_canvas)}"
        return [self.title, *table, counts, *([missing] if self.not_in_canvas else [])]


class CanvasAssignment:
    """One assignment in Canvas.

    Args:
        course: Canvas's number of the course.
        assignment: Canvas's number of the assignment.
        url: Canvas's address; None takes it from the environment.

    Raises:
        GraderError: the token or the address is missing, or Canvas does not know or show the assignment.
    """

    def __init__(self, course: int, assignment: int, url: str | None = None) -> None:
        from canvasapi import Canvas

        token, address = os.environ.get(TOKEN, ""), url or os.environ.get(URL, "")
        if not token:
            raise GraderError(
                f"There is no access token. Create one in Canvas (Account → Settings → New Access Token) and put it "
                f"into the environment variable {TOKEN}."
            )
        with _said(course, assignment):
            self._course: Course = Canvas(_checked(address), token).get_course(course)
            self._assignment: Assignment = self._course.get_assignment(assignment)
            self._submissions = {one.user_id: one for one in self._assignment.get_submissions()}

    def plan(self, table: MarkTable, lab: str, handed_in: Mapping[str, str]) -> Plan:
        """Return what a push of one lab's marks would change.

        Args:
            table: the marks of the class.
            lab: the lab.
            handed_in: the names under which the lab was handed in, by student: Canvas's hold its user ids.

        Raises:
            GraderError: the lab and the assignment have different maximum points.
        """
        name, possible = self._assignment.name, self._assignment.points_possible
        if possible is None or abs(float(possible) - table.max_points[lab]) > 1e-6:
            raise GraderError(
                f"The assignment “{name}” is out of {possible} points in Canvas, and {lab} is out of "
                f"{table.max_points[lab]:g}. Set the assignment's points to {table.max_points[lab]:g} in Canvas first."
            )
        plan = Plan(f"{lab} → “{name}” ({table.max_points[lab]:g} points)")
        users = self._users()
        for person in table.people:
            new = EXCUSED if person.is_excused(lab) else table.text(person.student, lab)
            user = self._user(person, handed_in.get(person.student, ""), users, table)
            if not new:
                plan.without_mark += 1
            elif user is None:
                plan.not_in_canvas.append(person.name or person.student)
            elif (now := self._mark(user)) == new:
                plan.unchanged += 1
            else:
                plan.changes.append(Change(person.student, person.sortable_name, user, now, new))
        return plan

    def send(self, change: Change, feedback: Path | None = None) -> None:
        """Send one mark, and the feedback page as a comment. Raises GraderError if Canvas refuses."""
        with _said(self._course.id, self._assignment.id):
            submission = self._submissions.get(change.user) or self._assignment.get_submission(change.user)
            submission.edit(submission=change.parameters)
            if feedback is not None:
                is_done, _ = submission.upload_comment(feedback)
                if not is_done:
                    raise GraderError("Canvas took the mark, and not the feedback page")

    def _mark(self, user: int) -> str:
        """Return what a student has now, before what Canvas itself takes off for lateness."""
        submission = self._submissions.get(user)
        if submission is None:
            return NOTHING
        score = getattr(submission, "entered_score", None)
        score = getattr(submission, "score", None) if score is None else score
        if getattr(submission, "excused", False):
            return EXCUSED
        return NOTHING if score is None else f"{round(score, 4):.10g}"

    def _users(self) -> dict[str, int]:
        """Return the students of the Canvas course by everything that names one."""
        users: dict[str, int] = {}
        with _said(self._course.id, self._assignment.id):
            for user in self._course.get_users(enrollment_type=["student"], include=["email"]):
                for attribute in ("sis_user_id", "login_id", "email"):
                    if value := getattr(user, attribute, None):
                        users[same_id(str(value))] = user.id
                users[f"number {user.id}"] = user.id
        return users

    def _user(self, person: Person, handed_in: str, users: Mapping[str, int], table: MarkTable) -> int | None:
        """Return a student's number in Canvas, or None."""
        download = download_name(handed_in)
        numbers = [download.number] if download and download.lms == "canvas" else []
        numbers += [person.number] if table.roster and table.roster.from_canvas else []
        keys = [f"number {number}" for number in numbers] + person.ids
        return next((users[key] for key in keys if key in users), None)


def _checked(address: str) -> str:
    """Return an address to which a token may be sent. Raises GraderError."""
    parts = urlsplit(address)
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise GraderError(f"Name Canvas's address with --url or {URL}, for example https://canvas.example.edu.")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise GraderError(f"{address} is not encrypted, and the token would be readable on the way. Use https.")
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _said(course: int, assignment: int) -> Iterator[None]:
    """Turn what canvasapi raises into one line. Its texts hold what Canvas answered, never the token."""
    from canvasapi.exceptions import CanvasException, InvalidAccessToken, ResourceDoesNotExist
    from requests.exceptions import RequestException

    try:
        yield
    except InvalidAccessToken:
        raise GraderError(f"Canvas does not accept the access token in {TOKEN}. Create a new one.") from None
    except ResourceDoesNotExist:
        raise GraderError(
            f"Canvas knows no assignment {assignment} in a course {course} that this token may see. The address of an "
            "assignment ends in courses/COURSE/assignments/ASSIGNMENT."
        ) from None
    except CanvasException as problem:
        raise GraderError(f"Canvas refuses: {problem}") from None
    except RequestException as problem:
        raise GraderError(
            f"Canvas cannot be reached: {type(problem).__name__}. Check the address and try again."
        ) from None
