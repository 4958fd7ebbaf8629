"""The class list (`--roster class.csv`): who takes the course, and under which ids and names they can be found.

Columns are known by the names that Canvas's gradebook export, Moodle's grade export and grading worksheet use, or by
ours: `id`, `name`, `email`, `section`, `excused`. Commas, semicolons and tabs separate columns; the text may be UTF-8
with or without a byte order mark, UTF-16 as Excel writes it, or Windows-1252.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from helpers.atomic import write_text
from helpers.grader.errors import GraderError
from helpers.grader.intake.names import is_student_id, lab_named, same_id

FILE = "roster.json"  # in the output folder, for later runs and for `distillab feedback`

COLUMNS = {
    "name": ("student", "name", "full name", "student name", "display name"),
    "first_name": ("first name", "firstname", "given name"),
    "last_name": ("last name", "lastname", "surname", "family name"),
    "sis_id": ("sis user id", "id number", "idnumber", "student id", "student number"),
    "login": ("sis login id", "username", "login", "login id", "user name"),
    "number": ("id",),
    "participant": ("identifier", "participant"),
    "email": ("email", "email address", "e-mail", "e-mail address", "mail"),
    "section": ("section", "sections", "group", "groups"),
    "excused": ("excused",),
}
FIELD_OF = {name: column for column, names in COLUMNS.items() for name in names}
IDENTIFYING = ("name", "last_name", "sis_id", "login", "number", "email")
NO_STUDENT = re.compile(r"\s*(?:points possible|manual posting|student, test|test student)\b.*", re.IGNORECASE)
SAYS_YES = ("yes", "y", "true", "x", "1", "all", "excused", "ex")
SAYS_NO = ("", "no", "n", "false", "0", "-")


@dataclass(frozen=True)
class Person:
    """One student of the class.

    Attributes:
        student: the id that stands in marks, feedback and gradebook.
        name: the name as people write it.
        first_name, last_name: its parts, where the list has them.
        sis_id, login, number, participant, email, section: as the list has them. `number` is Canvas's user id, or the
            only id of the list.
        excused: labs that need not be handed in; `*` stands for all.
    """

    student: str
    name: str = ""
    first_name: str = ""
    last_name: str = ""
    sis_id: str = ""
    login: str = ""
    number: str = ""
    participant: str = ""
    email: str = ""
    section: str = ""
    excused: tuple[str, ...] = ()

    def is_excused(self, lab: str) -> bool:
        """Return whether the student need not hand in a lab."""
        return "*" in self.excused or lab in self.excused

    @property
    def ids(self) -> list[str]:
        """Everything by which the student is known, in the form in which ids are compared."""
        return [same_id(one) for one in (self.student, self.sis_id, self.login, self.number, self.email) if one]

    @property
    def sortable_name(self) -> str:
        """The name as Canvas sorts it: last name, first name."""
        return ", ".join(part for part in (self.last_name, self.first_name) if part) or self.name or self.student


@dataclass(frozen=True)
class Roster:
    """The class, by id. `from_canvas` says whether `number` is Canvas's user id for sure."""

    people: Mapping[str, Person] = field(default_factory=dict)
    from_canvas: bool = False

    def __iter__(self) -> Iterator[Person]:
        return iter(self.people.values())

    def __len__(self) -> int:
        return len(self.people)

    def get(self, student: str) -> Person | None:
        """Return the student with this id in the marks, or None."""
        return self.people.get(student)

    def with_labs(self, labs: Collection[str]) -> Roster:
        """Return the class with excused labs by their own names. Raises GraderError if one is no lab of the course."""
        people = {}
        for person in self:
            named = {one: "*" if one == "*" else lab_named(one, labs) for one in person.excused}
            unknown = [one for one, lab in named.items() if lab is None]
            if unknown:
                raise GraderError(
                    f"{person.name or person.student} is excused from {unknown[0]!r} in the roster, which is none of "
                    f"the labs {', '.join(labs)}. Write their names, or “yes” for all."
                )
            people[person.student] = replace(person, excused=tuple(lab for lab in named.values() if lab))
        return Roster(people, self.from_canvas)

    def save(self, output: Path) -> None:
        """Keep the list in an output folder; only its owner can read it."""
        content = {"from_canvas": self.from_canvas, "people": [asdict(person) for person in self]}
        write_text(Path(output) / FILE, json.dumps(content, ensure_ascii=False, indent=1), private=True)

    @classmethod
    def load(cls, output: Path) -> Roster | None:
        """Return the list that an earlier run kept in an output folder; None if there is none."""
        path = Path(output) / FILE
        if not path.is_file():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        people = [Person(**(entry | {"excused": tuple(entry["excused"])})) for entry in content["people"]]
        return cls({person.student: person for person in people}, content["from_canvas"])


def read_roster(path: Path) -> Roster:
    """Return the class that a file lists.

    Raises:
        GraderError: the file cannot be read, has no column that names students, or lists a student twice.
    """
    path = Path(path)
    try:
        rows = _rows(_decoded(path.read_bytes()))
    except OSError as problem:
        raise GraderError(f"The roster {path} cannot be read: {problem.strerror}.") from None
    header = next((line for line, row in enumerate(rows) if _fields(row)), None)
    if header is None:
        raise GraderError(
            f"{path} has no column that says who the students are. Expected one of: id, name, email, or the columns of "
            "an export of Canvas's gradebook or of Moodle's grades."
        )
    fields = _fields(rows[header])
    from_canvas = any(same_id(cell) in ("sis login id", "sis user id", "integration id") for cell in rows[header])
    people: dict[str, Person] = {}
    for line, row in enumerate(rows[header + 1 :], start=header + 2):
        values = {column: row[place].strip() for place, column in fields.items() if place < len(row)}
        if not any(values.get(column) for column in IDENTIFYING) or NO_STUDENT.match(values.get("name", "")):
            continue
        person = _person(values, f"{path}, line {line}")
        if person.student in people:
            raise GraderError(f"{path}, line {line}: {person.student} is listed twice. Remove one of the two lines.")
        people[person.student] = person
    if not people:
        raise GraderError(f"{path} lists no students below its header.")
    return Roster(people, from_canvas)


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _rows(text: str) -> list[list[str]]:
    """Return the rows of a table, read with the separator that finds the most columns we know."""

    def read(separator: str) -> list[list[str]]:
        return list(csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=separator))

    def known(rows: list[list[str]]) -> int:
        return max((len(_fields(row)) for row in rows[:5]), default=0)

    try:
        return max((read(separator) for separator in ",;\t"), key=known)
    except csv.Error as problem:
        raise GraderError(f"The roster is no table: {problem}. Export it as CSV.") from None


def _fields(row: Iterable[str]) -> dict[int, str]:
    """Return which column of a header holds what, by its place; {} if the row is no header."""
    fields: dict[int, str] = {}
    for place, cell in enumerate(row):
        column = FIELD_OF.get(" ".join(same_id(cell).replace("_", " ").split()))
        if column and column not in fields.values():
            fields[place] = column
    return fields if set(fields.values()) & set(IDENTIFYING) else {}


def _person(values: dict[str, str], where: str) -> Person:
    """Return the student of one line. Raises GraderError if nothing in it can be an id."""
    excused = values.pop("excused", "")
    name = values.pop("name", "")
    first, last = values.pop("first_name", ""), values.pop("last_name", "")
    if name.count(",") == 1 and not (first or last):  # Canvas: Müller, Zoë
        last, first = (part.strip() for part in name.split(","))
    if first or last:
        name = f"{first} {last}".strip()
    values["participant"] = "".join(filter(str.isdecimal, values.get("participant", "")))  # Moodle: Participant 123456
    candidates = [values.get(column, "") for column in ("sis_id", "login", "number", "email")] + [name]
    student = next((one for one in candidates if is_student_id(one)), None)
    if student is None:
        raise GraderError(
            f"{where}: {name or ', '.join(filter(None, candidates))} has no id that can be used. An id has letters, "
            "digits and . _ - @ + ' , or spaces, and begins with a letter or digit."
        )
    return Person(student, name, first, last, excused=_excused(excused), **values)


def _excused(text: str) -> tuple[str, ...]:
    """Return the labs for which a student is excused: `yes` for all, or their names."""
    if same_id(text) in SAYS_NO:
        return ()
    if same_id(text) in SAYS_YES:
        return ("*",)
    return tuple(one.strip() for one in text.replace(";", ",").split(",") if one.strip())
