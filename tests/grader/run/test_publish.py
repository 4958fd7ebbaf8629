"""What people read, from stored judgements and the gradebook: feedback with a person's marks, files for the LMS."""

import csv
import io
import re
from datetime import datetime
from urllib.parse import unquote

import pytest
from nbgrader.api import Gradebook

from helpers.cli import main
from helpers.grader.errors import GraderError
from helpers.grader.intake.roster import Person, Roster
from helpers.grader.judging.judgement import VERDICTS, Judgement, Row
from helpers.grader.judging.submission import refused
from helpers.grader.notes import Note, NoteCode
from helpers.grader.release import generate
from helpers.grader.reports.gradebook import csv_text, read_manual_marks, record
from helpers.grader.reports.lms_export import NOT_MARKED_YET_IN_CANVAS, Mark, canvas_csv, mark_table, marks, moodle_csv
from helpers.grader.run import publish
from helpers.grader.run.judgement_store import JudgementStore
from helpers.grader.run.progress_bar import ProgressBar
from helpers.grader.run.publish import current_marks, default_database

pytestmark = pytest.mark.slow


def judged(double=4.0, answer="Because <b>I</b> say so."):
    rows = [
        Row("double", "plain", double, 4.0, "correct" if double == 4 else "wrong", about="a few values"),
        Row("Average", "module", 3.0, 3.0, "correct"),
        Row("answer_why", "", None, 2.0, "manual", note="" if answer else "no answer"),
    ]
    return Judgement("00_mini", rows, answers={"answer_why": answer} if answer else {}, seconds=1.5)


@pytest.fixture
def output(mini, tmp_path):
    """An output folder as a run leaves it: three students, of whom the last was refused before a lab was known."""
    folder = tmp_path / "graded"
    folder.mkdir()
    generate(mini, tmp_path / "scratch", default_database(folder))
    with Gradebook(default_database(folder)) as gradebook:
        for student, judgement in (("ada", judged()), ("ben", judged(double=0.0, answer=""))):
            record(gradebook, mini, student, judgement)
            JudgementStore(folder).save(student, judgement, "digest")
    JudgementStore(folder).save("eve", Judgement("", [Row("", "", 0.0, None, "denied", note="a link")]), "digest")
    return folder


def published(course, output):
    assert main(["feedback", "--output", str(output), "--course", str(course)]) == 0
    return {
        student: (output / "feedback" / student / "00_mini" / "00_mini.html").read_text() for student in ("ada", "ben")
    }


def mark_by_hand(output, student, grade_id, score, comment, extra=None):
    with Gradebook(default_database(output)) as gradebook:
        grade = gradebook.find_grade(grade_id, "00_mini", "00_mini", student)
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = score, extra, False
        cell = grade_id.removeprefix("check_")
        gradebook.find_comment(cell, "00_mini", "00_mini", student).manual_comment = comment
        gradebook.db.commit()


def test_before_marking_the_written_answer_waits(course, output):
    pages = published(course, output)
    assert "<strong>7 of 7 judged, 2 to mark</strong> by your instructor" in pages["ada"]
    assert "Because &lt;b&gt;I&lt;/b&gt; say so." in pages["ada"]
    assert "<strong>3 of 9</strong>." in pages["ben"] and "There is no answer here" in pages["ben"]


def test_a_persons_mark_and_comment_stand_in_the_feedback_and_the_lms(course, output):
    published(course, output)
    mark_by_hand(output, "ada", "answer_why", 1.5, "Nearly: <i>say why</i>.\nRead again.")
    mark_by_hand(output, "ben", "check_double", 2.0, "Right idea.", extra=0.5)
    pages = published(course, output)
    assert "<strong>8.5 of 9</strong>." in pages["ada"] and "1.5 of 2 points" in pages["ada"]
    assert "Nearly: &lt;i&gt;say why&lt;/i&gt;.\nRead again." in pages["ada"]
    assert "<strong>5.5 of 9</strong>" in pages["ben"] and "2.5 of 4 points" in pages["ben"]
    assert "marked by your instructor" in pages["ben"] and "0.5 extra" in pages["ben"] and "Right idea." in pages["ben"]
    rows = list(csv.DictReader((output / "lms_canvas.csv").open()))
    assert [(row["SIS Login ID"], row["00_mini"]) for row in rows] == [
        ("", "9"),
        ("ada", "8.5"),
        ("ben", "5.5"),
        ("eve", ""),
    ]


def rows_of(output):
    return list(csv.DictReader((output / "grades.csv").open()))


def test_grades_csv_gets_a_persons_marks_and_judgements_do_not(course, output):
    published(course, output)
    before = rows_of(output)
    stored = {path: path.read_bytes() for path in (output / "judgements").glob("*/*.json")}
    mark_by_hand(output, "ada", "answer_why", 1.5, "Good.", extra=0.25)
    published(course, output)
    changed = [(old, new) for old, new in zip(before, rows_of(output), strict=True) if old != new]
    assert changed == [(old, old | {"points": "1.75"}) for old in before if old["verdict"] == "manual"][:1]
    assert changed[0][1]["student"] == "ada" and changed[0][1]["verdict"] == "manual"
    assert {path: path.read_bytes() for path in (output / "judgements").glob("*/*.json")} == stored


def test_grades_csv_adds_up_to_the_marks_for_the_lms(course, output):
    published(course, output)
    mark_by_hand(output, "ada", "answer_why", 1.5, "Good.")
    mark_by_hand(output, "ben", "check_double", 2.25, "Right idea.", extra=0.5)
    mark_by_hand(output, "ada", "check_Average", None, None, extra=1.0)
    with Gradebook(default_database(output)) as gradebook:
        gradebook.find_submission_notebook("00_mini", "00_mini", "ada").late_submission_penalty = 3.0
        gradebook.find_submission_notebook("00_mini", "00_mini", "ben").late_submission_penalty = 100.0
        gradebook.db.commit()
    with Gradebook(default_database(output)) as gradebook:
        judgements = dict(JudgementStore(output))
        manual = {(name, "00_mini"): read_manual_marks(gradebook, "00_mini", name) for name in ("ada", "ben")}
        lms = {mark.student: mark.points for mark in marks(gradebook, ["00_mini"])}
    rows = list(csv.DictReader(io.StringIO(csv_text([(name, judgements[name]) for name in lms], manual))))
    sums = {name: sum(float(row["points"] or 0) for row in rows if row["student"] == name) for name in lms}
    assert sums == lms == {"ada": 6.5, "ben": 0.0}
    added = [(row["student"], row["exercise"], row["case"], row["points"]) for row in rows if not row["max_points"]]
    assert added == [
        ("ada", "Average", "override", "1"),
        ("ada", "", "late penalty", "-3"),
        ("ben", "double", "override", "2.75"),
        ("ben", "", "late penalty", "-5.75"),
    ]


def test_it_is_said_how_many_answers_are_left_to_mark(course, output, capsys):
    published(course, output)
    assert "1 written answer to mark (00_mini: 1)" in capsys.readouterr().out  # ben gave no answer
    assert unmarked(output) == {"ada": "00_mini", "ben": ""}
    mark_by_hand(output, "ada", "answer_why", 1.5, "Good.")
    published(course, output)
    assert "to mark" not in capsys.readouterr().out
    assert unmarked(output) == {"ada": "", "ben": ""}


def unmarked(output):
    """Return what Moodle's file says, having seen that Canvas's says the same."""
    files = {"moodle": ("ID number", "Not marked yet"), "canvas": ("SIS User ID", NOT_MARKED_YET_IN_CANVAS)}
    moodle, canvas = (
        {
            row[who]: row[what]
            for row in csv.DictReader((output / f"lms_{lms}.csv").open())
            if row[who] in ("ada", "ben")
        }
        for lms, (who, what) in files.items()
    )
    assert moodle == canvas
    return moodle


def test_the_class_report_names_the_refused(course, output):
    published(course, output)
    assert "denied: a link" in (output / "class_report.html").read_text()


def test_every_link_of_the_class_report_leads_somewhere_after_the_folder_is_moved(course, output, tmp_path):
    wrong = judged(double=0.0)
    wrong.rows[0].misconception = "squared"
    JudgementStore(output).save("ada", wrong, "digest")
    published(course, output)
    moved = output.rename(tmp_path / "sent by mail")
    links = re.findall(r'href="([^"#]*)(?:#([^"]*))?"', (moved / "class_report.html").read_text())
    assert {"labs/00_mini.html", "feedback/ada/00_mini/00_mini.html"} <= {path for path, _ in links}
    for path, anchor in links:
        page = (moved / (unquote(path) or "class_report.html")).read_text()
        assert not anchor or f'id="{unquote(anchor)}"' in page, (path, anchor)


def test_nothing_graded_and_a_wrong_gradebook_are_said_in_a_line(course, output, tmp_path, capsys):
    assert main(["feedback", "--output", str(tmp_path / "empty"), "--course", str(course)]) == 1
    assert "Nothing has been graded into" in capsys.readouterr().err
    elsewhere = f"sqlite:///{tmp_path}/other.db"
    assert main(["feedback", "--output", str(output), "--course", str(course), "--db", elsewhere]) == 1
    assert "is not in the gradebook" in capsys.readouterr().err


def test_a_damaged_judgement_is_named(course, output, capsys):
    path = next((output / "judgements").glob("*/ada.json"))
    path.write_text(path.read_text()[:50])
    assert main(["feedback", "--output", str(output), "--course", str(course)]) == 1
    assert "ada.json is damaged" in capsys.readouterr().err


def test_the_progress_line_counts_verdicts_and_leaves_kept_ones_out_of_the_time_to_go(capsys):
    with ProgressBar(4) as progress:
        progress.add(judged(), kept=True)
        assert progress.bar.initial == 1
        progress.add(judged(double=0.0))
        progress.add(Judgement("", [Row("", "", 0.0, None, "denied")]))
    line = capsys.readouterr().err.split("\r")[-1]
    assert "3/4" in line and "3 correct, 1 wrong, 1 denied, 2 manual" in line and "<" in line


# ------------------------------------------------------------------------------------------------ a class with a roster

ROSTER = [
    Person("ada", "Ada Lovelace", "Ada", "Lovelace", number="101", sis_id="ada", login="al", section="Tue"),
    Person("ben", "Ben Ode", "Ben", "Ode", sis_id="ben", login="bo", excused=("00_mini",)),
    Person("dee", "Zoë Müller", "Zoë", "Müller", sis_id="dee", section="Wed"),
    Person("exc", "Ex Cused", "Ex", "Cused", sis_id="exc", excused=("*",)),
]


def lms_cells(output):
    """The cell of each student in both files for the LMS, by student."""
    canvas = list(csv.DictReader((output / "lms_canvas.csv").open()))[1:]
    moodle = list(csv.DictReader((output / "lms_moodle.csv").open()))
    return {row["SIS User ID"]: row["00_mini"] for row in canvas}, {
        row["ID number"]: row["00_mini (Real)"] for row in moodle
    }


def with_every_verdict(mini, output):
    """Enter a student for each verdict, with and without points, and the two kinds of refusal."""
    graded = {verdict: judged(double=4.0 if verdict == "correct" else 0.0) for verdict in VERDICTS}
    for verdict, judgement in graded.items():
        judgement.rows[0].verdict = verdict if verdict != "manual" else "wrong"
    graded["unreadable"] = refused("00_mini", "cut short", "error")
    with Gradebook(default_database(output)) as gradebook:
        for student, judgement in graded.items():
            record(gradebook, mini, student, judgement)
            JudgementStore(output).save(student, judgement, "digest")
    JudgementStore(output).save("nowhere", refused("", "no lab's notebook", "error"), "digest")
    return [*graded, "nowhere"]


@pytest.mark.parametrize("with_roster", [False, True])
def test_grades_csv_and_the_files_for_both_lms_agree_on_every_verdict(course, mini, output, with_roster):
    students = with_every_verdict(mini, output)
    if with_roster:
        Roster({name: Person(name, sis_id=name) for name in [*students, "ada", "ben", "eve"]}).save(output)
    published(course, output)
    mark_by_hand(output, "wrong", "answer_why", 1.5, "Good.")
    mark_by_hand(output, "timeout", "check_double", 2.25, "Right idea.", extra=0.5)
    with Gradebook(default_database(output)) as gradebook:
        for student, penalty in (("wrong", 2.0), ("crash", 100.0)):
            gradebook.find_submission_notebook("00_mini", "00_mini", student).late_submission_penalty = penalty
        gradebook.db.commit()
        everything = JudgementStore(output)
        table = current_marks(output)
        manual = {
            (name, judgement.lab): read_manual_marks(gradebook, judgement.lab, name)
            for name, judgement in everything
            if judgement.lab
        }
    (output / "grades.csv").write_text(csv_text(everything, manual))
    (output / "lms_canvas.csv").write_text(canvas_csv(table))
    (output / "lms_moodle.csv").write_text(moodle_csv(table))
    sums = {}
    for row in rows_of(output):
        has_points = row["lab"] and row["points"]
        sums[row["student"]] = (
            sums.get(row["student"], 0) + float(row["points"])
            if has_points
            else sums.get(row["student"], "" if not row["lab"] else 0)
        )
    canvas, moodle = lms_cells(output)
    assert canvas == moodle and set(canvas) == set(sums)
    assert {name: cell and float(cell) for name, cell in canvas.items()} == sums
    assert sums["unreadable"] == 0 and sums["nowhere"] == "" and sums["timeout"] == 5.75 and sums["crash"] == 0


def test_with_a_roster_everyone_stands_in_the_files_and_who_is_missing_in_the_report(course, output, capsys):
    Roster({person.student: person for person in ROSTER}).save(output)
    published(course, output)
    canvas, moodle = lms_cells(output)
    assert canvas == {"ada": "7", "ben": "EX", "dee": "", "exc": "EX"}
    assert moodle == {"ada": "7", "ben": "", "dee": "", "exc": ""}
    rows = {row["ID number"]: row for row in csv.DictReader((output / "lms_moodle.csv").open())}
    assert [(rows[name]["Excused"], rows[name]["Missing"]) for name in ("ben", "dee", "ada")] == [
        ("00_mini", ""),
        ("", "00_mini"),
        ("", ""),
    ]
    assert rows["dee"]["Last name"] == "Müller" and rows["dee"]["Section"] == "Wed"
    said = capsys.readouterr().out
    assert "graded before, but not on the roster, and left out of all reports: eve" in said
    assert "00_mini: 1 student handed in nothing (Zoë Müller); 2 students are excused" in said
    report = (output / "class_report.html").read_text()
    assert 'Zoë Müller <span class="small">dee</span>' in report and "missing, Wed" in report
    assert ">Ben Ode <" in report and ">Ex Cused <" in report
    assert "feedback for Ada Lovelace" in (output / "feedback" / "ada" / "00_mini" / "00_mini.html").read_text()
    notes = [row["note"] for row in rows_of(output) if row["student"] == "ben"]
    assert notes[0].startswith("excused: ") and "eve" not in {row["student"] for row in rows_of(output)}


def test_a_canvas_export_as_roster_gives_canvas_its_own_number(tmp_path):
    roster = Roster({"ada": ROSTER[0]}, from_canvas=True)
    lines = canvas_csv(mark_table([Mark("ada", "00_mini", 7.0, 9.0)], roster)).splitlines()
    assert lines[2] == '"Lovelace, Ada",101,ada,al,Tue,7,'


def test_late_in_canvas_stands_in_the_report_and_costs_nothing(course, output):
    late = judged()
    late.notes = [Note.of(NoteCode.LATE_IN_CANVAS)]
    JudgementStore(output).save("ada", late, "digest")
    pages = published(course, output)
    assert "late, according to Canvas" in (output / "class_report.html").read_text()
    assert "handed in late, according to Canvas" in pages["ada"] and lms_cells(output)[0]["ada"] == "7"


# --------------------------------------------------------------------------------------------------------- LMS formats


MARKS = [
    Mark("ada", "01_a", 3.25, 4.0, first_name="Ada", last_name='=HYPERLINK("x")'),
    Mark("ada", "02_b", 10 / 3, 5.0, first_name="Ada", last_name='=HYPERLINK("x")'),
    Mark("ben@example.org", "02_b", 0.0, 5.0, is_to_mark=True),
]


def test_canvas_takes_its_five_columns_points_possible_and_a_column_a_lab():
    assert canvas_csv(mark_table(MARKS)).splitlines() == [
        "Student,ID,SIS User ID,SIS Login ID,Section,01_a,02_b,Not marked yet (not in Current Points)",
        "    Points Possible,,,,,4,5,",
        '"\'=HYPERLINK(""x""), Ada",,ada,ada,,3.25,3.3333,',
        "ben@example.org,,ben@example.org,ben@example.org,,,0,02_b",
    ]


def test_canvas_takes_no_column_but_those_of_labs_for_an_assignment():
    """As its `strip_non_assignment_columns` sees the header: the first five go, and every total of its own export."""
    ignored = ("Current Score", "Current Points", "Current Grade", "Final Score", "Final Points", "Final Grade")
    header = canvas_csv(mark_table(MARKS)).splitlines()[0].split(",")
    assert [name for name in header[5:] if not re.search("|".join(ignored), name)] == ["01_a", "02_b"]


def test_moodle_takes_its_own_exports_columns():
    assert moodle_csv(mark_table(MARKS)).splitlines() == [
        "First name,Last name,Username,ID number,Email address,01_a (Real),02_b (Real),Not marked yet",
        'Ada,"\'=HYPERLINK(""x"")",ada,ada,,3.25,3.3333,',
        ",,ben@example.org,ben@example.org,ben@example.org,,0,02_b",
    ]


# ----------------------------------------------------------------------------------------------------- on disk and back


def test_a_judgement_comes_back_from_disk_as_it_was(tmp_path):
    judgement = judged()
    judgement.rows[0].misconception, judgement.code = "squared", {"double": "é"}
    judgement.notes = [Note.of(NoteCode.OTHER_FILE_NAME, name="\ud800.ipynb")]
    store = JudgementStore(tmp_path)
    store.save("ada", judgement, "one")
    assert store.load("ada", "00_mini", "one") == judgement
    assert store.load("ada", "00_mini", "two") is None and store.load("ben", "00_mini", "one") is None
    store.forget("ada", "00_mini")
    assert list(store) == []


def test_a_judgement_in_an_older_form_is_judged_again_and_never_reported(tmp_path):
    store = JudgementStore(tmp_path)
    store.save("ada", judged(), "one")
    (path,) = tmp_path.rglob("*.json")
    path.write_text(path.read_text().replace('"notes": []', '"notes": ["the check of double was missing"]'))
    assert store.load("ada", "00_mini", "two") is None
    with pytest.raises(GraderError, match="another version"):
        list(store)


def test_a_hostile_student_id_stays_inside_the_folder(tmp_path):
    JudgementStore(tmp_path / "out").save("../../etc/passwd", Judgement("", []), "x")
    assert [path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*.json")] == [("out", "judgements")]
    assert [student for student, _ in JudgementStore(tmp_path / "out")] == ["../../etc/passwd"]


def test_marks_go_in_whole_or_not_at_all(mini, output, monkeypatch):
    broken = judged()
    broken.rows[0].points = "no number"
    with Gradebook(default_database(output)) as gradebook:
        with pytest.raises(TypeError):
            record(gradebook, mini, "new", broken, timestamp=datetime(2026, 1, 1))
    with Gradebook(default_database(output)) as gradebook:
        assert [student.id for student in gradebook.students] == ["ada", "ben"]


def test_a_page_that_cannot_be_written_costs_nobody_else_anything(course, output, monkeypatch):
    def page(lab, student, judgement, marks, name):
        if student == "ada":
            raise RecursionError("too deep")
        return f"a page for {student}"

    monkeypatch.setattr(publish, "feedback_page", page)
    remarks = publish.write_reports(course, output).remarks
    assert [one for one in remarks if one.startswith("ada's feedback on 00_mini could not be written (RecursionError")]
    pages = output / "feedback"
    assert (pages / "ben" / "00_mini" / "00_mini.html").read_text() == "a page for ben"
    assert not (pages / "ada" / "00_mini" / "00_mini.html").exists()
    assert lms_cells(output)[0]["ada"] == "7"
