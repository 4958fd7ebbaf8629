"""Marks into Canvas's API (a fake on the loopback), and feedback packed as Canvas and Moodle take it back."""

import json
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest
from nbgrader.api import Gradebook

from helpers.cli import main
from helpers.commands import common
from helpers.grader.intake.roster import Person, Roster
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.release import generate
from helpers.grader.reports.gradebook import record
from helpers.grader.run.desk import handed_in
from helpers.grader.run.judgement_store import JudgementStore
from helpers.grader.run.publish import default_database, publish

TOKEN = "7~secretsecret"
PEOPLE = [
    Person("ada", "Ada Lovelace", "Ada", "Lovelace", number="101", login="ada"),
    Person("ben", "Ben Ode", "Ben", "Ode", number="102", sis_id="s-ben", section="Tue"),
    Person("cem", "Cem Ex", "Cem", "Ex", number="103", excused=("00_mini",)),
    Person("dee", "Dee Nothing", "Dee", "Nothing", number="104"),
    Person("eve", "Eve Elsewhere", "Eve", "Elsewhere", number="999"),
]
HANDED_IN = {
    "ada": "lovelaceada_101_5001_00_mini.ipynb",
    "ben": "odeben_LATE_102_5002_homework.zip",
    "cem": "Cem Ex_7003_assignsubmission_file_/homework.zip",
    "eve": "Eve Elsewhere_7005_assignsubmission_file_00_mini.ipynb",
}


def judged(points):
    rows = [
        Row("double", "plain", points, 4.0, "correct" if points == 4 else "wrong"),
        Row("Average", "module", 3.0, 3.0, "correct"),
        Row("answer_why", "", None, 2.0, "manual", note="no answer"),
    ]
    return Judgement("00_mini", rows)


@pytest.fixture
def output(course, mini, tmp_path):
    """An output folder after grading a class of five, of whom one is excused and one handed in nothing."""
    folder = tmp_path / "graded"
    folder.mkdir()
    generate(mini, tmp_path / "scratch", default_database(folder))
    with Gradebook(default_database(folder)) as gradebook:
        for student, points in {"ada": 4.0, "ben": 0.0, "cem": 1.0, "eve": 4.0}.items():
            record(gradebook, mini, student, judged(points))
            JudgementStore(folder).save(student, judged(points), "digest")
    Roster({person.student: person for person in PEOPLE}, from_canvas=True).save(folder)
    (folder / "handed_in.json").write_text(json.dumps({"00_mini": HANDED_IN}))
    publish(course, folder)
    return folder


class FakeCanvas(ThreadingHTTPServer):
    """Canvas's API for one assignment: what `canvasapi` asks of it, and what was sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), FakeHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.points, self.refused = 9, set()
        self.marks = {101: {"score": 7.0}, 102: {}, 103: {"score": 2.0, "excused": False}, 104: {"score": 1.0}}
        self.sent, self.files, self.tokens = [], {}, set()

    def answer(self, method, path, form):
        submissions = "/api/v1/courses/42/assignments/7/submissions"
        if path == "/api/v1/courses/42":
            return 200, {"id": 42, "name": "CS 1"}
        if path == "/api/v1/courses/42/assignments/7":
            return 200, {"id": 7, "name": "Lab 0", "course_id": 42, "points_possible": self.points}
        if path == submissions:
            return 200, [{"user_id": user, "assignment_id": 7} | mark for user, mark in self.marks.items()]
        if path == "/api/v1/courses/42/search_users":
            return 200, [{"id": 101, "login_id": "ada"}, {"id": 102, "sis_user_id": "s-ben"}, {"id": 103}, {"id": 104}]
        if method == "PUT" and (found := re.fullmatch(rf"{submissions}/(\d+)", path)):
            user = int(found[1])
            if user in self.refused:
                return 400, {"errors": [{"message": "the grading period is closed"}]}
            self.sent.append((user, form))
            mark = {"score": float(form["submission[posted_grade]"])} if "submission[posted_grade]" in form else {}
            self.marks[user] |= mark | ({"excused": True} if "submission[excuse]" in form else {})
            return 200, {"user_id": user, "assignment_id": 7} | self.marks[user]
        if found := re.fullmatch(rf"{submissions}/(\d+)/comments/files", path):
            return 200, {"upload_url": f"{self.url}/upload", "upload_params": {"user": found[1]}}
        if path == "/upload":
            return 200, {"id": 88, "url": "there"}
        return 404, {"errors": [{"message": "The specified resource does not exist."}]}


class FakeHandler(BaseHTTPRequestHandler):
    def _serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        if "multipart" in self.headers.get("Content-Type", ""):
            form = dict(re.findall(rb'name="(\S+)"\r\n\r\n(.*?)\r\n--', body, re.DOTALL))
            if b"<!DOCTYPE html>" in body:
                self.server.files[form[b"user"]] = body
            form = {name.decode(): value.decode() for name, value in form.items() if name != b"file"}
        else:
            form = dict(parse_qsl(body.decode()))
        self.server.tokens.add(self.headers.get("Authorization"))
        status, content = self.server.answer(self.command, path, form)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}" and path != "/upload":
            status, content = 401, {"errors": [{"message": "Invalid access token."}]}
        text = json.dumps(content).encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = _serve

    def log_message(self, *arguments):
        """Keep quiet."""


@pytest.fixture
def canvas(monkeypatch):
    with FakeCanvas() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("CANVAS_API_TOKEN", TOKEN)
        monkeypatch.setenv("CANVAS_API_URL", server.url)
        yield server
        server.shutdown()
        thread.join()


def push(capsys, output, *more, assignment=7):
    arguments = ["push", "canvas", "--course", "42", "--assignment", str(assignment), "--output", str(output), *more]
    status, said = main(arguments), capsys.readouterr()
    assert TOKEN not in said.out + said.err
    return status, said.out, said.err


pytestmark = pytest.mark.filterwarnings("ignore:Canvas may respond unexpectedly")


def test_a_push_shows_what_changes_and_sends_nothing_unless_asked(canvas, output, capsys):
    status, said, _ = push(capsys, output)
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert status == 0 and canvas.sent == []
    assert lines == [
        "00_mini → “Lab 0” (9 points)",
        "Ode, Ben – → 3",
        "Ex, Cem 2 → excused",
        "2 to change, 1 already there, 1 without a mark",
        "not in this Canvas course: Eve Elsewhere",
        "Dry run: nothing was sent. Add --send to send it.",
    ]


def test_send_sends_what_differs_and_a_second_time_nothing(canvas, output, capsys):
    status, said, _ = push(capsys, output, "--send")
    assert status == 0 and "Sent 2 of 2 marks" in said
    assert canvas.sent == [(102, {"submission[posted_grade]": "3"}), (103, {"submission[excuse]": "true"})]
    assert canvas.marks[104] == {"score": 1.0}  # handed in nothing: what is there stays
    status, said, _ = push(capsys, output, "--send")
    assert status == 0 and "Sent 0 of 0 marks" in said and len(canvas.sent) == 2


def test_what_canvas_refuses_is_named_and_sent_by_the_next_run(canvas, output, capsys):
    canvas.refused = {102}
    status, said, errors = push(capsys, output, "--send")
    assert status == 1 and "Sent 1 of 2 marks" in said
    assert "not sent: Ode, Ben: Canvas refuses: " in errors and "the grading period is closed" in errors
    canvas.refused = set()
    assert push(capsys, output, "--send")[0] == 0 and canvas.marks[102]["score"] == 3.0


def test_feedback_goes_along_as_a_comment_if_asked(canvas, output, capsys):
    assert push(capsys, output, "--send", "--comments")[0] == 0
    assert set(canvas.files) == {b"102", b"103"} and b"double" in canvas.files[b"102"]
    assert (102, {"comment[file_ids][]": "88"}) in canvas.sent


def test_what_is_in_the_way_is_said_in_a_line(canvas, output, capsys, monkeypatch):
    canvas.points = 10
    assert "out of 10 points in Canvas, and 00_mini is out of 9" in push(capsys, output, "--send")[2]
    assert "knows no assignment 8 in a course 42" in push(capsys, output, assignment=8)[2]
    assert "02_none was not graded there. Use --lab with one of: 00_mini" in push(capsys, output, "--lab", "02_none")[2]
    assert "is not encrypted" in push(capsys, output, "--url", "http://canvas.example.org")[2]
    assert "Canvas cannot be reached" in push(capsys, output, "--url", "http://127.0.0.1:9")[2]
    assert "Nothing has been graded" in push(capsys, output.parent / "none")[2]
    monkeypatch.setenv("CANVAS_API_TOKEN", "another")
    assert "does not accept the access token in CANVAS_API_TOKEN" in push(capsys, output)[2]
    monkeypatch.delenv("CANVAS_API_TOKEN")
    assert "There is no access token" in push(capsys, output)[2]
    monkeypatch.setattr(common, "find_spec", lambda name: None if name == "canvasapi" else object())
    assert "pip install 'distillab[canvas]'" in push(capsys, output)[2]
    assert canvas.sent == []


# -------------------------------------------------------------------------------------------------- feedback for upload


def test_feedback_for_canvas_has_the_users_and_attachments_of_its_download(output, capsys):
    assert main(["feedback-zip", "--for", "canvas", "--output", str(output)]) == 0
    assert "not handed in through Canvas, so not in it: cem, eve" in capsys.readouterr().out
    with zipfile.ZipFile(output / "00_mini_feedback_canvas.zip") as archive:
        names = archive.namelist()
        assert "double" in archive.read(names[0]).decode()
    # Canvas takes the first two numbers between underscores as user and attachment.
    numbers = [[part for part in name.split("_") if part.isdigit()][:2] for name in names]
    assert dict(zip(names, numbers, strict=True)) == {
        "lovelaceada_101_5001_00_mini_feedback.html": ["101", "5001"],
        "odeben_LATE_102_5002_00_mini_feedback.html": ["102", "5002"],
    }


def test_feedback_for_moodle_has_a_folder_for_each_participant(output, tmp_path):
    target = tmp_path / "up.zip"
    assert main(["feedback-zip", "--for", "moodle", "--output", str(output), "--zip", str(target)]) == 0
    with zipfile.ZipFile(target) as archive:
        archive.extractall(tmp_path / "unpacked")
    pages = {path.relative_to(tmp_path / "unpacked").as_posix() for path in (tmp_path / "unpacked").rglob("*.html")}
    assert pages == {
        "Cem Ex_7003_assignsubmission_file_/00_mini.html",
        "Eve Elsewhere_7005_assignsubmission_file_/00_mini.html",
    }


def test_feedback_for_an_lms_that_nothing_came_from_is_said(output, capsys):
    (output / "handed_in.json").write_text(json.dumps({"00_mini": {"ada": "ada"}}))
    assert main(["feedback-zip", "--for", "moodle", "--output", str(output)]) == 1
    assert "Nothing of 00_mini was handed in through Moodle" in capsys.readouterr().err
    assert handed_in(output.parent) == {}
