"""A run that is cut off goes on; a Dask cluster and a PostgreSQL gradebook give what one machine and SQLite give.

The grader, the scheduler, the workers and the database server are real processes here.
"""

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from helpers.cli import main
from helpers.grader.errors import GraderError
from helpers.grader.intake.submission import Submission
from helpers.grader.marking.desk import MarkingDesk, NewMark
from helpers.grader.marking.marks import MarkChanged
from helpers.grader.run.cluster import pack
from helpers.grader.run.grade import GradingOptions, grade
from tests.conftest import AVERAGE, DOUBLE

pytestmark = [pytest.mark.cluster, pytest.mark.sandbox]

ROOT = Path(__file__).parents[3]
SQUARED = "def double(values):\n    return values ** 2"
CLASS = 6
WAIT_SECONDS = 300  # for another process, before the test fails
POLL_SECONDS = 0.02


@pytest.fixture(scope="module")
def handed_in(course, tmp_path_factory):
    """Six submissions: right ones, a misconception, one that ends its kernel, one that cannot be read."""
    folder = tmp_path_factory.mktemp("handed_in")
    answers = [DOUBLE, SQUARED, "import os\ndef double(values):\n    os._exit(0)", DOUBLE, DOUBLE, "helper"]
    for number, double in enumerate(answers):
        home = folder / f"s{number}" / "00_mini"
        home.mkdir(parents=True)
        if double == "helper":
            (home / "beside.py").write_text(DOUBLE)
            double = "from beside import double as own\ndef double(values):\n    return own(values)"
        made = nbformat.read(course / "labs" / "00_mini" / "00_mini.ipynb", as_version=4)
        for cell in made.cells:
            cell.source = {"double": double, "Average": AVERAGE, "answer_why": "So."}.get(cell.id, cell.source)
        nbformat.write(made, home / "00_mini.ipynb")
    cut = folder / "s0" / "00_mini" / "00_mini.ipynb"
    cut.write_text(cut.read_text()[:500])
    return folder


def command(course, handed_in, output, *more):
    return ["grade", "--submissions", str(handed_in), "--output", str(output), "--course", str(course), *more]


@pytest.fixture(scope="module")
def plain(course, handed_in, tmp_path_factory):
    """What an undisturbed run on this machine with SQLite writes."""
    output = tmp_path_factory.mktemp("plain")
    assert main(command(course, handed_in, output)) == 0
    return output


def without_seconds(output):
    """`grades.csv`, byte for byte but for the column `seconds`."""
    rows = list(csv.reader(io.StringIO((output / "grades.csv").read_text())))
    place = rows[0].index("seconds")
    return [row[:place] + row[place + 1 :] for row in rows]


def stored(output):
    """When each judgement was written, by student."""
    return {path.stem: path.stat().st_mtime_ns for path in (output / "judgements").glob("*/*.json")}


@contextlib.contextmanager
def process(arguments, **options):
    """A process of its own group that is gone when the block ends."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def wait_until(condition, *processes):
    """Return once the condition holds. Fails if a process ends first, or if nothing happens for `WAIT_SECONDS`."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"still waiting after {WAIT_SECONDS} s"
        for running in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(POLL_SECONDS / len(processes))
                pytest.fail(f"a process ended too early, with status {running.returncode}")


# ------------------------------------------------------------------------------------------------------------- resume


def test_a_run_that_was_killed_goes_on_where_it_stood(course, handed_in, plain, tmp_path):
    arguments = command(course, handed_in, tmp_path, "--workers", "1")
    with process([sys.executable, "-m", "helpers.cli", *arguments]) as grader:
        wait_until(lambda: len(stored(tmp_path)) >= 2, grader)
        grader.send_signal(signal.SIGKILL)
        grader.wait()
    before = stored(tmp_path)
    assert len(before) < CLASS and not (tmp_path / "grades.csv").exists()
    assert main(arguments) == 0
    after = stored(tmp_path)
    assert len(after) == CLASS and {name: after[name] for name in before} == before, "something was judged twice"
    assert without_seconds(tmp_path) == without_seconds(plain)
    assert marks(f"sqlite:///{tmp_path}/gradebook.db") == marks(f"sqlite:///{plain}/gradebook.db")


def test_only_what_changed_is_judged_again_unless_all_is_asked_for(course, handed_in, plain, tmp_path):
    mine, output = tmp_path / "in", tmp_path / "out"
    shutil.copytree(handed_in, mine)
    shutil.copytree(plain, output)
    (mine / "s5" / "00_mini" / "beside.py").write_text(DOUBLE.replace("values + values", "values * 3"))
    before = stored(output)
    assert main(command(course, mine, output)) == 0
    changed = {name for name, written in stored(output).items() if before[name] != written}
    assert changed == {"s5"}
    assert ["s5", "wrong"] in [[row[0], row[6]] for row in csv.reader((output / "grades.csv").open())]
    between = stored(output)
    assert main(command(course, mine, output, "--again")) == 0
    assert all(written > between[name] for name, written in stored(output).items())


# ------------------------------------------------------------------------------------------------------------ cluster


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The file that tells workers where a Dask scheduler listens."""
    pytest.importorskip("distributed", reason="the extra “cluster” is not installed")
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    arguments = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    with process([sys.executable, "-m", "dask", *arguments]) as running:
        wait_until(lambda: file.exists() and file.read_text().strip().endswith("}"), running)
        yield file


def worker(scheduler, folder):
    arguments = ["worker", "--scheduler-file", str(scheduler), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    return process([sys.executable, "-m", "dask", *arguments, "--local-directory", str(folder)], cwd=folder)


def test_a_cluster_gives_the_same_marks_with_a_worker_killed_on_the_way(course, handed_in, plain, scheduler, tmp_path):
    address = json.loads(scheduler.read_text())["address"]
    output = tmp_path / "out"
    with worker(scheduler, tmp_path) as first, worker(scheduler, tmp_path):
        arguments = command(course, handed_in, output, "--cluster", address)
        with process([sys.executable, "-m", "helpers.cli", *arguments]) as grader:
            wait_until(lambda: len(stored(output)) >= 2, grader, first)
            first.send_signal(signal.SIGKILL)
            assert grader.wait() == 0
    assert without_seconds(output) == without_seconds(plain)
    assert marks(f"sqlite:///{output}/gradebook.db") == marks(f"sqlite:///{plain}/gradebook.db")
    assert (output / "autograded" / "s1" / "00_mini" / "00_mini.ipynb").is_file()


def test_a_worker_with_another_course_is_refused(course, handed_in, scheduler, tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.grader.run.grade.judge_digest", lambda *ignored: "another version")
    address = json.loads(scheduler.read_text())["address"]
    with worker(scheduler, tmp_path), pytest.raises(GraderError, match="another version"):
        grade(course, handed_in, tmp_path / "out", GradingOptions(cluster=address))


def test_an_address_where_nobody_listens_is_said_in_a_line(course, handed_in, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the extra “cluster” is not installed")
    monkeypatch.setattr("helpers.grader.run.cluster.CONNECT_SECONDS", 0.5)
    with pytest.raises(GraderError, match="There is no cluster with a worker at tcp://127.0.0.1:9"):
        grade(course, handed_in, tmp_path / "out", GradingOptions(cluster="tcp://127.0.0.1:9"))


def test_what_goes_to_a_worker_is_plain_data_without_links(tmp_path):
    folder = tmp_path / "00_mini"
    folder.mkdir()
    (folder / "00_mini.ipynb").write_text("{}")
    (folder / "beside.py").write_text("x = 1")
    (folder / "other.ipynb").write_text("{}")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    packed = pack(Submission("ada", "00_mini", folder / "00_mini.ipynb"))
    assert packed["files"] == {"00_mini.ipynb": b"{}", "beside.py": b"x = 1"}
    assert {type(item) for item in packed.values()} <= {str, list, dict}


# --------------------------------------------------------------------------------------------------------- PostgreSQL


def marks(database):
    """Every mark and comment of a gradebook."""
    found = {}
    with Gradebook(database) as gradebook:
        for submission in gradebook.assignment_submissions("00_mini"):
            for entry in submission.notebooks[0].grades:
                found[submission.student_id, entry.name] = (entry.auto_score, entry.needs_manual_grade)
            for entry in submission.notebooks[0].comments:
                found[submission.student_id, entry.name, "comment"] = entry.auto_comment
    return found


@pytest.fixture
def postgresql(tmp_path_factory):
    """The URL of an empty database in a server of our own, in a temporary folder, on a socket only."""
    pytest.importorskip("psycopg", reason="the extra “postgresql” is not installed")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin")) + [Path(shutil.which("initdb") or "/nowhere").parent]
    place = next((folder for folder in programs if (folder / "initdb").exists()), None)
    if place is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    user = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        user = {"user": "postgres", "group": "postgres"}
        shutil.chown(folder, "postgres", "postgres")
    options = {"cwd": folder, "stdout": subprocess.DEVNULL, **user}
    try:
        initialise = [place / "initdb", "-D", folder / "data", "-U", "grader", "-A", "trust", "-E", "UTF8", "-N"]
        subprocess.run(initialise, check=True, **options)
        serve = [place / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=", "-F"]
        server = subprocess.Popen(serve, stderr=subprocess.DEVNULL, **options)
        try:
            ask = [place / "pg_isready", "-q", "-h", folder]
            wait_until(lambda: subprocess.run(ask).returncode == 0, server)
            yield f"postgresql+psycopg://grader@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_postgresql_gradebook_holds_the_same_as_sqlite(course, handed_in, plain, postgresql, tmp_path):
    assert main(command(course, handed_in, tmp_path, "--db", postgresql)) == 0
    assert marks(postgresql) == marks(f"sqlite:///{plain}/gradebook.db")
    assert not (tmp_path / "gradebook.db").exists()
    with Gradebook(postgresql) as gradebook:
        entry = gradebook.find_grade("answer_why", "00_mini", "00_mini", "s1")
        entry.manual_score, entry.needs_manual_grade = 2.0, False
        gradebook.db.commit()
    assert main(["feedback", "--output", str(tmp_path), "--course", str(course), "--db", postgresql]) == 0
    for name in ("lms_canvas.csv", "lms_moodle.csv"):
        ours, theirs = (tmp_path / name).read_text().splitlines(), (plain / name).read_text().splitlines()
        assert [row for row in ours if not row.startswith(("s1,", ",,s1,"))] == [
            row for row in theirs if not row.startswith(("s1,", ",,s1,"))
        ]
        assert ours != theirs
    _mark_by_question(course, tmp_path, postgresql)


def _mark_by_question(course, output, database):
    """Also in PostgreSQL, a mark is replaced only if it is the one that the marker saw."""
    key, desk = "00_mini/answer_why", MarkingDesk(course, output, database)
    group = max(desk.groups(key), key=lambda entry: entry["count"])
    new = NewMark("me", {group["id"]: group["version"]}, points=1.5, note="Why?")
    assert desk.mark(key, new) == group["count"] > 1
    with pytest.raises(MarkChanged):
        desk.mark(key, new)
    assert desk.undo("me") and desk.groups(key)[0]["version"] == group["version"]
    desk.close()
