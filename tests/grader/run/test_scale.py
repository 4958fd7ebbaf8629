"""Marks on two scales never stand in one output folder."""

import shutil

import pytest
from nbgrader.api import Gradebook

from helpers.cli import main
from helpers.grader.course.lab import forget_changed_labs
from helpers.grader.errors import GraderError
from helpers.grader.intake.roster import Person, Roster
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.release import generate
from helpers.grader.reports.gradebook import record
from helpers.grader.run.grade import GradingOptions, grade
from helpers.grader.run.judgement_store import JudgementStore
from helpers.grader.run.publish import default_database, of_the_class
from helpers.grader.run.scale import require_one_scale


def judged(double=4.0, answer=2.0):
    third = round(double / 3, 6)  # as the judge rounds each case
    rows = [Row("double", f"case {number}", third, third, "correct") for number in range(3)]
    rows += [Row("Average", "module", 3.0, 3.0, "correct"), Row("answer_why", "", None, answer, "manual")]
    return Judgement("00_mini", rows)


@pytest.fixture
def changed(course, mini, tmp_path):
    """A course in which `double` has become worth 8 points, and an output folder from when it was worth 4."""
    output = tmp_path / "out"
    output.mkdir()
    generate(mini, tmp_path / "scratch", default_database(output))
    with Gradebook(default_database(output)) as gradebook:
        for student in ("ada", "ben"):
            record(gradebook, mini, student, judged())
            JudgementStore(output).save(student, judged(), "digest")
    root = tmp_path / "course"
    shutil.copytree(course, root)
    source = root / "solutions" / "00_mini" / "00_mini.py"
    source.write_text(source.read_text().replace('check="double" points=4', 'check="double" points=8'))
    forget_changed_labs()
    return root, output


def max_points(output):
    with Gradebook(default_database(output)) as gradebook:
        return gradebook.find_assignment("00_mini").max_score


def test_a_subset_graded_after_the_points_changed_is_refused_in_a_line(changed, tmp_path, monkeypatch):
    root, output = changed
    monkeypatch.setattr("helpers.grader.run.grade.prepare", lambda kernel_name, apart: None)
    folder = tmp_path / "in" / "ada" / "00_mini"
    folder.mkdir(parents=True)
    shutil.copy(root / "labs" / "00_mini" / "00_mini.ipynb", folder)
    with pytest.raises(GraderError) as refusal:
        grade(root, tmp_path / "in", output, GradingOptions())
    said = str(refusal.value)
    assert "The points of 00_mini have changed (double was worth 4 and is worth 8) since ben's submission" in said
    assert "Grade all submissions of 00_mini again in one run" in said and "\n" not in said
    assert max_points(output) == 9


def test_reports_are_not_written_on_two_scales(changed, capsys):
    root, output = changed
    assert main(["feedback", "--output", str(output), "--course", str(root)]) == 1
    assert "since ada's submission and 1 other submission were graded" in capsys.readouterr().err
    assert not (output / "grades.csv").exists()


def test_the_rounding_of_cases_is_no_other_scale(course):
    require_one_scale(course, [("ada", judged())])


def test_an_answer_with_other_points_is_another_scale(course):
    with pytest.raises(GraderError, match="answer_why was worth 3 and is worth 2"):
        require_one_scale(course, [("ada", judged(answer=3.0))])


def test_a_refused_submission_has_no_scale(course):
    refused = Judgement("00_mini", [Row("", "", 0.0, None, "error", note="damaged")])
    require_one_scale(course, [("eve", refused), ("fay", Judgement("", refused.rows))])


def test_with_a_roster_the_scale_is_refused_too_and_who_left_the_course_does_not_count(changed, tmp_path, monkeypatch):
    root, output = changed
    monkeypatch.setattr("helpers.grader.run.grade.prepare", lambda kernel_name, apart: None)
    (tmp_path / "in").mkdir()
    shutil.copy(root / "labs" / "00_mini" / "00_mini.ipynb", tmp_path / "in" / "lovelaceada_101_5001_00_mini.ipynb")
    (tmp_path / "class.csv").write_text("id,name\nada,Ada Lovelace\nben,Ben Ode\n")
    with pytest.raises(GraderError, match="since ben's submission"):
        grade(root, tmp_path / "in", output, GradingOptions(roster=tmp_path / "class.csv"))
    rest = list(JudgementStore(output).all_but({("ada", "00_mini")}))
    require_one_scale(root, of_the_class(rest, Roster({"ada": Person("ada")}))[0])
    with pytest.raises(GraderError):
        require_one_scale(root, rest)
