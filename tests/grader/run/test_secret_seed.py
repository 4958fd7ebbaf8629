"""The secret seed: one for each output folder, kept with each judgement, readable by its owner alone, shown nowhere."""

import csv
import json
import os
import pickle
import shutil
import stat
from unittest.mock import MagicMock

import nbformat
import pytest

from helpers.cli import main
from helpers.grader import preprocessor
from helpers.grader.errors import GraderError
from helpers.grader.intake.submission import Submission
from helpers.grader.judging.judgement import Judgement, Row
from helpers.grader.run import cluster
from helpers.grader.run import secret_seed as module
from helpers.grader.run.judgement_store import JudgementStore
from helpers.grader.run.secret_seed import BITS, SecretSeed, secret_seed
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from tests.conftest import AVERAGE, DOUBLE

pytestmark = pytest.mark.slow


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# ---------------------------------------------------------------------------------------------------------- the file


def test_a_seed_is_drawn_once_for_a_folder_and_only_its_owner_can_read_it(tmp_path):
    before = os.umask(0)
    try:
        seed = secret_seed(tmp_path)
    finally:
        os.umask(before)
    assert [path.name for path in tmp_path.iterdir()] == ["secret_seed"] and mode(tmp_path / "secret_seed") == 0o600
    assert secret_seed(tmp_path) == seed == int((tmp_path / "secret_seed").read_text())


def test_seeds_have_63_bits_and_come_from_the_systems_random_numbers(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(module.secrets, "randbits", lambda bits: asked.append(bits) or 2**62 + 5)
    assert secret_seed(tmp_path) == 2**62 + 5 and asked == [63] == [BITS]


def test_of_two_processes_that_draw_at_once_the_first_one_counts(tmp_path, monkeypatch):
    def draw_while_another_one_does(bits):
        (tmp_path / "secret_seed").write_text("77\n")
        return 5

    monkeypatch.setattr(module.secrets, "randbits", draw_while_another_one_does)
    assert secret_seed(tmp_path) == 77 and len(list(tmp_path.iterdir())) == 1


def test_a_file_system_without_links_keeps_a_seed_too(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module.os, "link", refuse)
    seed = secret_seed(tmp_path)
    assert secret_seed(tmp_path) == seed and mode(tmp_path / "secret_seed") == 0o600
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("text", ["", "seven", "-1", str(2**63)])
def test_a_damaged_seed_is_said_in_a_line(tmp_path, text):
    (tmp_path / "secret_seed").write_text(text)
    with pytest.raises(GraderError, match=r"secret_seed is damaged\. Delete it and grade again: [^\n]*$"):
        secret_seed(tmp_path)


# -------------------------------------------------------------------------------------------------- with a judgement


def test_a_judgement_holds_its_seed_and_counts_with_no_other(tmp_path):
    judgement = Judgement("00_mini", [Row("double", "plain", 1.0, 1.0, "correct")])
    JudgementStore(tmp_path, 5).save("ada", judgement, "digest")
    path = tmp_path / "judgements" / "00_mini" / "ada.json"
    assert json.loads(path.read_text())["seed"] == 5 and mode(path) == 0o600
    assert JudgementStore(tmp_path, 5).load("ada", "00_mini", "digest") == judgement
    assert JudgementStore(tmp_path, 6).load("ada", "00_mini", "digest") is None
    assert [found for _, found in JudgementStore(tmp_path)] == [judgement], "reports read every judgement"


def test_a_judgement_from_before_seeds_is_made_again(tmp_path):
    JudgementStore(tmp_path, 5).save("ada", Judgement("00_mini", []), "digest")
    path = tmp_path / "judgements" / "00_mini" / "ada.json"
    content = json.loads(path.read_text())
    del content["seed"]
    path.write_text(json.dumps(content))
    assert JudgementStore(tmp_path, 5).load("ada", "00_mini", "digest") is None


# -------------------------------------------------------------------------------------------------------- in a run


@pytest.fixture
def seeds(monkeypatch):
    """Seeds with which submissions were judged, in order. The judge is a stand-in that gives full marks."""
    seen = []

    def stand_in(lab, path, limits, kernel_name):
        seen.append(lab.seed)
        rows = [
            Row(name, case.name, points, points, "correct")
            for name, exercise in lab.exercises.items()
            for case in exercise.cases
            for points in (exercise.case_points[case.name],)
        ]
        return Judgement(lab.name, rows, notebook=nbformat.v4.new_notebook())

    monkeypatch.setattr("helpers.grader.judging.submission.judge_apart", stand_in)
    monkeypatch.setattr("helpers.grader.run.grade.prepare", lambda kernel_name, apart: None)
    monkeypatch.setattr("helpers.grader.run.grade.compute_answers", lambda course, labs, *more: labs)
    return seen


@pytest.fixture
def command(course, notebook, tmp_path):
    """A function that returns the arguments which grade one student into a folder."""
    folder = tmp_path / "in" / "ada" / "00_mini"
    folder.mkdir(parents=True)
    nbformat.write(notebook(DOUBLE, AVERAGE), folder / "00_mini.ipynb")

    def arguments(output, *more):
        return ["grade", "--submissions", str(tmp_path / "in"), "--output", str(output), "--course", str(course), *more]

    return arguments


def test_a_regrade_uses_the_stored_seed_and_a_new_folder_another_one(seeds, command, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert [main(command(folder, *more)) for folder, *more in ((one,), (one,), (one, "--again"), (two,))] == [0] * 4
    assert seeds == [secret_seed(one), secret_seed(one), secret_seed(two)] and seeds[1] != seeds[2]
    (one / "secret_seed").unlink()
    assert main(command(one)) == 0
    assert len(seeds) == 4 and seeds[3] == secret_seed(one) != seeds[0], "no judgement with the old seed is kept"


def test_the_seed_is_in_its_file_and_in_judgements_and_nowhere_else(command, tmp_path, capfd, caplog, kernel_name):
    unsafe = [] if kernel_name == SANDBOX_KERNEL else ["--unsafe"]
    assert main(command(tmp_path / "out", *unsafe)) == 0
    seed = str(secret_seed(tmp_path / "out"))
    holding = {
        path.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file() and seed.encode() in path.read_bytes()
    }
    assert holding == {"secret_seed", "judgements/00_mini/ada.json"}
    assert seed not in "".join(capfd.readouterr()) + caplog.text
    rows = list(csv.DictReader((tmp_path / "out" / "grades.csv").open()))
    assert {row["verdict"] for row in rows} == {"correct", "manual"}


def test_nbgrader_judges_with_a_seed_that_stays_in_the_courses_folder(course, monkeypatch, tmp_path):
    shutil.copytree(course / "solutions", tmp_path / "solutions")
    monkeypatch.chdir(tmp_path)
    seen = []

    def stand_in(lab, *arguments):
        seen.append(lab.seed)
        return Judgement(lab.name)

    monkeypatch.setattr(preprocessor, "judge_notebook", stand_in)
    for name in ("prepare", "record", "Gradebook"):
        monkeypatch.setattr(preprocessor, name, MagicMock())
    monkeypatch.setattr(preprocessor, "graded_notebook", lambda lab, judgement: None)
    nbgrader = {"assignment": "00_mini", "student": "ada", "db_url": "sqlite://"}
    for _ in range(2):
        resources = {"nbgrader": nbgrader, "metadata": {"path": str(tmp_path)}}
        preprocessor.Judge().preprocess(nbformat.v4.new_notebook(), resources)
    assert seen == [secret_seed(tmp_path)] * 2 and mode(tmp_path / "secret_seed") == 0o600


def test_a_worker_gets_the_seed_in_a_form_that_no_log_shows(course, monkeypatch):
    seen = []
    monkeypatch.setattr(cluster, "prepare", lambda kernel_name, apart: None)
    monkeypatch.setattr(cluster, "_require_same_judge", lambda *arguments: None)
    monkeypatch.setattr(
        cluster, "judge_submission", lambda *arguments: seen.append(arguments[-1]) or Judgement("00_mini")
    )
    sent = pickle.loads(pickle.dumps(SecretSeed(4_730_219_385_617_204_981)))
    assert "4730219385617204981" not in f"{sent} {sent!r}"
    packed = cluster.pack(Submission("ada", "00_mini", refusal="none"))
    cluster.judge_packed(str(course), packed, {}, "python3", "key", sent)
    assert seen == [4_730_219_385_617_204_981]
