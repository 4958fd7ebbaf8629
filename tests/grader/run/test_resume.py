"""What befalls a run and not a notebook: full disks, locks, damaged gradebooks, changed labs. It is nobody's mark.

The judge is a stand-in here that gives full marks, and fails where a test wants it to.
"""

import csv
import errno
import shutil
import sqlite3

import nbformat
import pytest
from filelock import FileLock
from sqlalchemy.exc import OperationalError

from helpers.cli import main
from helpers.grader.course import digest
from helpers.grader.course.lab import Lab, forget_changed_labs, load_lab
from helpers.grader.errors import GraderError, RunStopped
from helpers.grader.intake.submission import Submission
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.judging.submission import judge_submission
from helpers.grader.limits import Limits
from helpers.grader.run.cluster import judge_packed, pack
from helpers.grader.run.judgement_store import JudgementStore
from helpers.grader.run.retry import judge_with_retry
from helpers.grader.run.secret_seed import SecretSeed
from helpers.grader.sandbox.kernelspecs import UNSAFE_KERNEL
from tests.conftest import DOUBLE

pytestmark = pytest.mark.slow


@pytest.fixture
def judged(monkeypatch):
    """Who was judged, in order. `judged.failing` maps students to what the grader fails with on their notebook."""

    class Judged(list):
        failing: dict = {}

    log = Judged()

    def stand_in(lab, path, limits, kernel_name):
        student = path.parents[1].name
        log.append(student)
        if student in log.failing:
            raise log.failing[student]
        rows = [
            Row(name, case.name, exercise.case_points[case.name], exercise.case_points[case.name], "correct")
            for name, exercise in lab.exercises.items()
            for case in exercise.cases
        ]
        return Judgement(lab.name, rows, notebook=nbformat.v4.new_notebook())

    monkeypatch.setattr("helpers.grader.judging.submission.judge_apart", stand_in)
    monkeypatch.setattr("helpers.grader.run.grade.prepare", lambda kernel_name, apart: None)
    monkeypatch.setattr("helpers.grader.run.grade.compute_answers", lambda course, labs, *more: labs)
    return log


@pytest.fixture
def run(course, notebook, tmp_path, capsys):
    """A function that grades a class of three and returns the exit status and what was said on standard error."""
    for student in ("ada", "ben", "cem"):
        folder = tmp_path / "in" / student / "00_mini"
        folder.mkdir(parents=True)
        nbformat.write(notebook(), folder / "00_mini.ipynb")

    def grade(*more, course=course, command="grade"):
        arguments = [command, "--output", str(tmp_path / "out"), "--course", str(course), *more]
        arguments += ["--submissions", str(tmp_path / "in")] if command == "grade" else []
        status = main(arguments)
        said = capsys.readouterr().err.split("\r")[-1]
        return status, "".join(line for line in said.splitlines(keepends=True) if not line.endswith(" …\n"))

    return grade


def stored(tmp_path):
    return [student for student, _ in JudgementStore(tmp_path / "out")]


# ------------------------------------------------------------------------------------------- the grader's own failures


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("problem", [FULL, RuntimeError("forking ended"), GraderError("no kernel"), KeyError("x")])
def test_the_graders_own_failure_is_nobodys_mark_and_is_judged_again(run, judged, tmp_path, problem):
    judged.failing = {"ben": problem}
    status, said = run("--workers", "1")
    assert status == 1 and f"not judged: ben 00_mini: {type(problem).__name__}" in said
    assert "distillab: the grader itself failed on 1 of 3 submissions" in said and "Traceback" not in said
    assert judged == ["ada", "ben", "cem", "ben"] and stored(tmp_path) == ["ada", "cem"]
    assert {row["student"] for row in csv.DictReader((tmp_path / "out" / "grades.csv").open())} == {"ada", "cem"}
    assert "ben" not in (tmp_path / "out" / "lms_canvas.csv").read_text()
    judged.failing = {}
    assert run()[0] == 0
    assert judged[4:] == ["ben"] and stored(tmp_path) == ["ada", "ben", "cem"]


def test_a_file_that_cannot_be_read_costs_one_submission(run, judged, tmp_path, monkeypatch):
    digest = Submission.digest

    def refuse(submission, key):
        if submission.student == "ben":
            raise PermissionError(errno.EACCES, "Permission denied", "data.txt")
        return digest(submission, key)

    monkeypatch.setattr(Submission, "digest", refuse)
    status, said = run()
    assert status == 1 and "not judged: ben 00_mini: PermissionError" in said and stored(tmp_path) == ["ada", "cem"]


def test_an_outcome_that_cannot_be_entered_costs_one_submission(run, judged, tmp_path, monkeypatch):
    from helpers.grader.reports.feedback import graded_text

    def refuse(lab, judgement):
        if len(judged) == 2:
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return graded_text(lab, judgement)

    monkeypatch.setattr("helpers.grader.run.grading_run.graded_text", refuse)
    monkeypatch.setattr("helpers.grader.run.grade.judge_in_threads", _one_by_one)
    status, said = run()
    assert status == 1 and "not judged: ben" in said and stored(tmp_path) == ["ada", "cem"]


def _one_by_one(submissions, judge_one, workers):
    return ((submission, judge_one(submission)) for submission in submissions)


def test_where_none_could_be_judged_that_is_what_is_said(run, judged, tmp_path):
    judged.failing = dict.fromkeys(("ada", "ben", "cem"), FULL)
    status, said = run()
    assert status == 1 and "\ndistillab: No submission could be judged: OSError: [Errno 28]" in said
    assert stored(tmp_path) == []


def test_what_concerns_all_alike_stops_the_run():
    asked = []

    def judge_here(submissions):
        for submission in submissions:
            asked.append(submission.student)
            yield submission, RunStopped("other version")

    with pytest.raises(RunStopped, match="other version"):
        list(judge_with_retry(judge_here, [Submission("ada", "00_mini"), Submission("ben", "00_mini")]))
    assert asked == ["ada"]


# ------------------------------------------------------------------------------------------- what a run plans to judge


def written(tmp_path):
    """Return when each judgement was written, by student and lab."""
    paths = (tmp_path / "out" / "judgements").glob("*/*.json")
    return {(path.stem, path.parent.name): path.stat().st_mtime_ns for path in paths}


def hand_in_by_moodle(tmp_path, name, notebook):
    folder = tmp_path / "in" / f"{name}_7_assignsubmission_file_"
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / "00_mini.ipynb")


def test_a_refusal_that_still_stands_is_kept_when_the_students_notebook_changes(run, judged, notebook, tmp_path):
    hand_in_by_moodle(tmp_path, "Ann", notebook())
    hand_in_by_moodle(tmp_path, "Bob", notebook())  # a second folder of participant 7, which is refused
    assert run()[0] == 0 and stored(tmp_path) == ["7", "7", "ada", "ben", "cem"]
    hand_in_by_moodle(tmp_path, "Ann", notebook(DOUBLE))
    assert run()[0] == 0 and stored(tmp_path) == ["7", "7", "ada", "ben", "cem"]


def test_several_refusals_of_one_student_are_one_and_settled_after_one_run(run, judged, notebook, tmp_path):
    for name in ("Ann", "Bob", "Cleo"):
        hand_in_by_moodle(tmp_path, name, notebook())
    assert run()[0] == 0
    first = written(tmp_path)
    assert run()[0] == 0 and written(tmp_path) == first


def test_a_judgement_whose_marks_are_not_in_the_gradebook_does_not_hold(run, judged, tmp_path):
    assert run("--workers", "1")[0] == 0 and judged == ["ada", "ben", "cem"]
    assert run("--db", f"sqlite:///{tmp_path}/other.db")[0] == 0
    assert sorted(judged[3:]) == ["ada", "ben", "cem"]


def test_again_judges_everything_anew(run, judged, tmp_path):
    assert run()[0] == 0
    first = written(tmp_path)
    assert run("--again")[0] == 0
    assert sorted(judged[3:]) == ["ada", "ben", "cem"]
    assert all(time > first[key] for key, time in written(tmp_path).items())


# ------------------------------------------------------------------------------------------ locks, disks and gradebooks


@pytest.mark.parametrize("command", ["grade", "feedback"])
def test_two_runs_never_write_into_one_folder(run, judged, tmp_path, command):
    assert run()[0] == 0
    with FileLock(tmp_path / "out" / ".lock"):
        status, said = run(command=command)
    assert status == 1 and "Another grading run is using" in said and "--output" in said and len(judged) == 3
    assert run(command=command)[0] == 0


def test_a_full_disk_is_said_in_a_line_and_nothing_is_lost(run, judged, tmp_path, monkeypatch):
    save = JudgementStore.save

    def refuse(store, student, judgement, digest):
        if student == "ben":
            raise FULL
        save(store, student, judgement, digest)

    monkeypatch.setattr(JudgementStore, "save", refuse)
    status, said = run("--workers", "1")
    assert status == 1 and said.splitlines()[-1].startswith("distillab: the operating system says: [Errno 28] No space")
    monkeypatch.setattr(JudgementStore, "save", save)
    assert run()[0] == 0 and stored(tmp_path) == ["ada", "ben", "cem"] and judged.count("ada") == 1


def test_ctrl_c_is_said_in_a_line_and_nothing_is_lost(run, judged, tmp_path, monkeypatch):
    save = JudgementStore.save

    def interrupt(store, student, judgement, digest):
        if student == "ben":
            raise KeyboardInterrupt
        save(store, student, judgement, digest)

    monkeypatch.setattr(JudgementStore, "save", interrupt)
    status, said = run("--workers", "1")
    assert status == 130 and said.splitlines()[-1] == "distillab: stopped; run the same command again to continue"
    assert "Traceback" not in said and stored(tmp_path) == ["ada"]
    monkeypatch.setattr(JudgementStore, "save", save)
    assert run()[0] == 0 and stored(tmp_path) == ["ada", "ben", "cem"] and judged.count("ada") == 1


def test_a_gradebook_that_is_in_use_is_said_in_a_line(run, judged, monkeypatch):
    def refuse(*arguments, **times):
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr("helpers.grader.run.grading_run.record_marks", refuse)
    status, said = run()
    assert status == 1 and "distillab: the gradebook's database says: database is locked. Close" in said


def test_a_file_in_place_of_the_output_folder_is_said_in_a_line(run, judged, tmp_path):
    (tmp_path / "out").write_text("")
    status, said = run()
    assert status == 1 and said.startswith("distillab: the operating system says: ") and said.count("\n") == 1


def test_a_lab_that_gained_an_exercise_is_said_in_a_line(run, judged, course, tmp_path):
    changed = tmp_path / "course"
    shutil.copytree(course, changed)
    assert run(course=changed)[0] == 0
    source = changed / "solutions" / "00_mini" / "00_mini.py"
    source.write_text(source.read_text() + '\n# %% [markdown] answer="how" points=2\n# So.\n')
    status, said = run(course=changed)
    assert (
        status == 1
        and said.startswith("distillab: The graded cells of the lab 00_mini differ")
        and "(new: answer_how)" in said
    )
    assert said.count("\n") == 1 and stored(tmp_path) == ["ada", "ben", "cem"]


# ------------------------------------------------------------------------------------------------------ what changed


def change_cases(course):
    cases = course / "solutions" / "00_mini" / "cases.py"
    cases.write_text(cases.read_text().replace("torch.tensor([3.5])", "torch.tensor([4.5])"))


def test_a_lab_that_changed_is_read_anew_by_the_next_run_and_not_before(course, tmp_path):
    shutil.copytree(course / "solutions", tmp_path / "solutions")
    before = load_lab(tmp_path, "00_mini")
    forget_changed_labs()
    assert load_lab(tmp_path, "00_mini") is before
    change_cases(tmp_path)
    assert load_lab(tmp_path, "00_mini") is before
    forget_changed_labs()
    after = load_lab(tmp_path, "00_mini")
    expected = [lab.key("double")["one"].expected["value"].item() for lab in (before, after)]
    assert expected == [7.0, 9.0]


def test_a_worker_judges_with_the_cases_of_today_and_never_with_older_code(course, monkeypatch, tmp_path):
    shutil.copytree(course / "solutions", tmp_path / "solutions")
    seen = []
    monkeypatch.setattr("helpers.grader.run.cluster.prepare", lambda kernel_name, apart: None)
    monkeypatch.setattr(
        "helpers.grader.run.cluster.judge_submission",
        lambda course, *_: (
            seen.append(load_lab(course, "00_mini").key("double")["one"].expected["value"].item())
            or Judgement("00_mini")
        ),
    )

    def ask():
        key = digest.judge_digest(tmp_path, Limits(), UNSAFE_KERNEL)
        packed = pack(Submission("ada", "00_mini", refusal="none"))
        judge_packed(str(tmp_path), packed, vars(Limits()), UNSAFE_KERNEL, key, SecretSeed(5))

    ask()
    change_cases(tmp_path)
    ask()
    assert seen == [7.0, 9.0]
    monkeypatch.setattr(digest, "code_on_disk", lambda: "newer")
    with pytest.raises(RunStopped, match="older version of distillab than the one on its disk"):
        ask()
    assert len(seen) == 2


def test_a_refused_submission_is_done_and_not_a_failure(course):
    judgement = judge_submission(
        course, Submission("ada", "00_mini", refusal="a link", verdict="denied"), Limits(), "x", 5
    )
    assert [(row.verdict, row.note) for row in judgement.rows] == [("denied", "a link")]
    assert isinstance(load_lab(course, "00_mini"), Lab)
