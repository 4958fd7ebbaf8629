"""A submission's own process: what it is, what it can reach, and that whatever becomes of it is its own verdict.

The course's `cases.py`, which runs in the lab's process, lets notebooks of these tests do there what a notebook could
do that had found a hole in the judge: code of a cell that begins with MARK runs in the submission's process.
"""

from __future__ import annotations

import csv
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from helpers.grader.course.lab import load_lab
from helpers.grader.errors import GraderError
from helpers.grader.judging import apart, room
from helpers.grader.judging.apart import judge_apart, replay_apart, weighed_apart
from helpers.grader.judging.judge import judge
from helpers.grader.judging.server_client import SERVER, ChildProcess
from helpers.grader.judging.submission import compute_answers
from helpers.grader.limits import Limits
from helpers.grader.reports.feedback import graded_text
from helpers.grader.run.grade import GradingOptions, grade
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from tests.conftest import AVERAGE, DOUBLE, RUN_SEED
from tests.grader.sandbox.conftest import needs_sandbox

pytestmark = [needs_sandbox, pytest.mark.sandbox]

MARK = "# in the judge"
MEDDLING = f"""
from helpers.grader.judging import child, room

room.OWN_PROCESSOR_SECONDS = 1
parse = child.parse_notebook


def parse_and_run(data):
    notebook = parse(data)
    for cell in notebook.cells:
        if cell.source.startswith({MARK!r}):
            exec(cell.source, {{"child": child}})
    return notebook


child.parse_notebook = parse_and_run
"""
KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
HUNG = "import signal\nwhile True: signal.pause()"
SPINNING = "while True: pass"
SWOLLEN = "x = bytearray(2**31)"
LIMITS = Limits(cell=5, exercise=5, notebook=2, memory=600 * 2**20, processes=64, files=2**24)


@pytest.fixture(scope="module")
def meddled(course, tmp_path_factory):
    """The course with `MEDDLING`."""
    root = tmp_path_factory.mktemp("meddled")
    shutil.copytree(course, root, dirs_exist_ok=True)
    cases = root / "solutions" / "00_mini" / "cases.py"
    cases.write_text(cases.read_text() + MEDDLING)
    return root


@pytest.fixture
def hand_in(notebook, tmp_path):
    """A function that writes a right notebook with code to run in the judge, and returns its path."""

    def write(code: str = "", student: str = "ann", **more: str) -> Path:
        path = tmp_path / "in" / student / "00_mini" / "00_mini.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook(DOUBLE, AVERAGE, before=f"{MARK}\n{code}" if code else "", **more), path)
        return path

    return write


@pytest.fixture
def judged(meddled, hand_in, kernel_name):
    """A function that judges a right notebook with code to run in the judge."""

    def judge_with(code: str = "", **more: str):
        lab = load_lab(meddled, "00_mini", RUN_SEED)
        limits = LIMITS if code in (HUNG, SPINNING) else replace(LIMITS, notebook=60)
        return judge_apart(lab, hand_in(code, **more), limits, SANDBOX_KERNEL)

    return judge_with


def told(judgement):
    """What code in the judge has passed to `tell`."""
    return json.loads(judgement.rows[0].note)


TELL = "import json, os\nfrom helpers.grader.errors import Refused\ndef tell(fact): raise Refused(json.dumps(fact))\n"


# --------------------------------------------------------------------------------------------------------- what it is


def test_a_judgement_is_the_one_that_would_be_made_here(mini, judged, hand_in, kernel_name, tmp_path):
    answer = {"answer": "Because."}
    there = judged(**answer)
    here = judge(mini, nbformat.read(hand_in(student="ben", **answer), 4), tmp_path, LIMITS, kernel_name)
    kept = [(row.exercise, row.case, row.points, row.verdict, row.note, row.about) for row in there.rows]
    assert kept == [(row.exercise, row.case, row.points, row.verdict, row.note, row.about) for row in here.rows]
    assert (there.answers, there.code, there.notes) == (here.answers, here.code, here.notes)
    graded = nbformat.reads(there.graded.decode(), as_version=4)
    assert [cell.source for cell in graded.cells] == [cell.source for cell in here.notebook.cells]


STATUS = "facts = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_it_is_nobody(judged):
    code = f"{TELL}{STATUS}tell([os.getresuid(), os.getresgid(), os.getgroups(), facts['NoNewPrivs'].strip()])"
    assert told(judged(code)) == [[room.JUDGE] * 3, [room.JUDGE] * 3, [], "1"]


def test_it_has_no_rights_no_environment_and_one_connection(judged):
    code = f"{TELL}{STATUS}facts = [int(facts[name], 16) for name in ('CapEff', 'CapPrm', 'CapInh')]\n"
    code += "handles = {int(n): os.readlink(f'/proc/self/fd/{n}').split(':')[0] for n in os.listdir('/proc/self/fd')"
    code += " if os.path.lexists(f'/proc/self/fd/{n}')}\ntell([facts, dict(os.environ), sorted(handles.items())])"
    rights, environment, handles = told(judged(code))
    assert rights == [0, 0, 0] and environment == {}
    assert handles == [[0, "/dev/null"], [1, "/dev/null"], [2, "/dev/null"], [3, "socket"]]


REACHES = """
def attempt(what):
    try:
        what()
        return True
    except Exception:
        return False
"""


def test_it_can_open_neither_the_gradebook_nor_another_submission_nor_the_course(judged, meddled, tmp_path, hand_in):
    neighbour = hand_in(student="neighbour")
    gradebook = tmp_path / "gradebook.db"
    gradebook.write_text("marks")
    source = meddled / "solutions" / "00_mini" / "cases.py"
    for path in (neighbour, gradebook, source, *neighbour.parents[:4], *source.parents[:3]):
        path.chmod(0o777)
    paths = [str(neighbour), str(gradebook), str(source), "/etc/shadow", "/proc/1/environ"]
    own = [json.__file__, "/proc/self/status"]
    code = f"{TELL}{REACHES}tell([attempt(lambda: open(path).read()) for path in {paths + own}])"
    assert told(judged(code)) == [False] * len(paths) + [True] * len(own)


def test_it_can_write_start_and_signal_nothing(judged):
    attempts = {
        "write": "open('/tmp/written', 'w')",
        "write to memory": "open('/dev/shm/written', 'w')",
        "fork": "os.fork() or os._exit(0)",
        "a thread": "threading.Thread(target=int).start()",
        "the network": "socket.create_connection(('127.0.0.1', 9), 1)",
        "a namespace": "syscalls.unshare(syscalls.NEW_USER)",
        "the lab's process": "os.kill(os.getppid(), 0)",
        "the first process": "os.kill(1, 0)",
    }
    imports = "import os, socket, threading\nfrom helpers.grader.sandbox import syscalls\n"
    tries = ", ".join(f"attempt(lambda: {code})" for code in attempts.values())
    outcomes = dict(zip(attempts, told(judged(f"{TELL}{imports}{REACHES}tell([{tries}])")), strict=True))
    assert outcomes == dict.fromkeys(attempts, False)


def test_the_seed_is_on_no_command_line_and_in_no_environment(judged):
    judged()
    seed, processes = str(RUN_SEED).encode(), descendants(SERVER._process.pid)
    assert len(processes) >= 3, "the server's two processes, and the lab's"
    for process in processes:
        for name in ("cmdline", "environ"):
            assert seed not in Path(f"/proc/{process}/{name}").read_bytes()


def descendants(process: int) -> list[int]:
    """Return a process with all that are below it and have not ended."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        alive = Path(f"/proc/{process}/cmdline").read_bytes() != b""
    except OSError:  # it has just ended
        return []
    return [process] * alive + [inner for child in children for inner in descendants(int(child))]


# ------------------------------------------------------------------------------------------------- what becomes of it


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(KILLED, "crash"), (SPINNING, "timeout"), (SWOLLEN, "memory"), ("import os; os._exit(0)", "crash")],
)
def test_a_process_that_ends_early_is_its_submissions_verdict(judged, code, verdict):
    judgement = judged(code)
    cases = [row for row in judgement.rows if row.case]
    assert {(row.verdict, row.note, row.points) for row in cases} == {(verdict, apart.NOTES[verdict], 0.0)}
    assert len(cases) == 5 and sum(row.max_points for row in cases) == 7


def test_a_process_that_hangs_is_killed_and_a_timeout(judged, monkeypatch):
    monkeypatch.setattr(apart, "GRACE_SECONDS", 0.5 - LIMITS.notebook)
    judgement = judged(HUNG)
    assert {row.verdict for row in judgement.rows if row.case} == {"timeout"} and not judgement.starved


def test_a_process_that_waits_for_others_until_its_time_is_up_is_judged_again_alone(judged, monkeypatch):
    monkeypatch.setattr(apart, "GRACE_SECONDS", 0.5 - LIMITS.notebook)
    measured = []

    def processor_time(child):
        measured.append(processor_time_of(child))
        # as beside busy neighbours: a tenth of the time it computes, and the rest it waits
        return replace(measured[-1], used=0.1 * measured[-1].used, waited=0.9 * time.monotonic())

    processor_time_of = ChildProcess.processor_time
    monkeypatch.setattr(ChildProcess, "processor_time", processor_time)
    judgement = judged(SPINNING)
    assert {row.verdict for row in judgement.rows if row.case} == {"timeout"} and judgement.starved
    before, after = measured
    assert 0 <= before.used < after.used and before.waited <= after.waited


AFTER_THE_FIRST_EXERCISE = """
import os
keep = child.keep
def keep_and_end(grader, judgement):
    keep(grader, judgement)
    if judgement.rows: os._exit(1)
child.keep = keep_and_end
"""


def test_what_was_settled_before_counts(judged):
    judgement = judged(AFTER_THE_FIRST_EXERCISE, answer="Because.")
    assert {(row.exercise, row.verdict, row.points) for row in judgement.rows if row.exercise != "answer_why"} == {
        ("double", "correct", 1.0),
        ("Average", "crash", 0.0),
    }
    assert judgement.answers == {"answer_why": "Because."} and judgement.rows[-1].note == ""


@pytest.mark.parametrize("forged", ["b'{}'", "b'[' * 100_000", "b' ' * (5 * 2**20)"])
def test_a_record_that_breaks_the_schema_is_its_submissions_failure(judged, forged):
    code = f"child.write_record = lambda judgement: {forged}"
    assert {(row.verdict, row.points) for row in judged(code).rows if row.case} == {("crash", 0.0)}


@pytest.mark.parametrize("asked", ["launch", "end", "interrupt", "nonsense", "graded"])
def test_what_it_may_not_ask_for_ends_it(judged, asked):
    code = f"grader_init = child.LentKernel.__init__\ndef ask(kernel, grader):\n    grader.send({asked!r})\n"
    code += "    grader_init(kernel, grader)\nchild.LentKernel.__init__ = ask"
    assert {row.verdict for row in judged(code).rows if row.case} == {"crash"}


def test_the_class_goes_on(meddled, hand_in, tmp_path, kernel_name):
    broken = "child.write_record = lambda judgement: b'{}'"
    students = {"a_honest": "", "killed": KILLED, "spinning": SPINNING, "swollen": SWOLLEN, "broken": broken}
    for student, code in (students | {"m_honest": "", "z_honest": ""}).items():
        hand_in(code, student)
    done = grade(
        meddled, tmp_path / "in", tmp_path / "out", GradingOptions(limits=replace(LIMITS, notebook=8), workers=2)
    )
    points = {student: sum(row.points or 0 for row in judgement.rows) for student, judgement in done.judgements}
    assert points == dict.fromkeys(students, 0) | dict.fromkeys(["a_honest", "m_honest", "z_honest"], 7)
    assert done.failures == []
    rows = list(csv.DictReader((tmp_path / "out" / "grades.csv").open()))
    assert {row["verdict"] for row in rows if row["student"] == "swollen" and row["case"]} == {"memory"}
    assert "could not be graded" in (tmp_path / "out" / "autograded/killed/00_mini/00_mini.ipynb").read_text()


# ------------------------------------------------------------------------------------------- the grader's own failures


def test_a_server_that_ends_is_the_graders_failure_and_is_started_again(judged, hand_in, meddled):
    judged()
    problems: list[BaseException] = []
    path, lab = hand_in(HUNG, "hung"), load_lab(meddled, "00_mini", RUN_SEED)

    def judge_hung():
        try:
            judge_apart(lab, path, LIMITS, SANDBOX_KERNEL)
        except GraderError as problem:
            problems.append(problem)

    before = len(descendants(SERVER._process.pid))
    judging = threading.Thread(target=judge_hung)
    judging.start()
    while len(processes := descendants(SERVER._process.pid)) == before:
        pass
    os.kill(processes[1], signal.SIGKILL)
    judging.join()
    assert len(problems) == 1 and "says nothing about the submission" in str(problems[0])
    path = hand_in(student="again")
    assert sum(row.points or 0 for row in judge_apart(lab, path, LIMITS, SANDBOX_KERNEL).rows) == 7


def test_a_lab_whose_reference_fails_is_said_before_anything_is_judged(course, kernel_name, tmp_path):
    shutil.copytree(course / "solutions", tmp_path / "solutions")
    source = tmp_path / "solutions" / "00_mini" / "00_mini.py"
    source.write_text(source.read_text().replace("return values * 2.0", "return values * nothing"))
    with pytest.raises(GraderError, match="the reference fails on double/plain"):
        list(compute_answers(tmp_path, ["00_mini"], 5, SANDBOX_KERNEL))


ALONE = """
import sys
from pathlib import Path
from helpers.grader.course.lab import load_lab
from helpers.grader.judging.apart import judge_apart, replay_apart, weighed_apart
from helpers.grader.limits import Limits
judge_apart(load_lab(Path(sys.argv[1]), "00_mini", 5), Path(sys.argv[2]), Limits(), "distillab-sandbox")
"""


def test_it_dies_with_the_grader(meddled, hand_in):
    path = hand_in(HUNG)
    grader = subprocess.Popen([sys.executable, "-c", ALONE, str(meddled), str(path)])
    try:
        deadline = time.monotonic() + 120
        while len(processes := descendants(grader.pid)) < 6 and time.monotonic() < deadline:
            assert grader.poll() is None
        handles = [os.pidfd_open(process) for process in processes[1:]]
    finally:
        grader.kill()
        grader.wait()
    assert len(handles) >= 5, "the server's two processes, that for archives, the lab's and the submission's"
    for handle in handles:
        assert select.select([handle], [], [], 60)[0], "a process outlives its grader"
        os.close(handle)


# ------------------------------------------------------------------------------------------- what was judged before


def test_a_judged_notebook_is_made_anew_with_other_points(meddled, judged, tmp_path):
    judgement, lab, path = judged(), load_lab(meddled, "00_mini", RUN_SEED), tmp_path / "graded.ipynb"
    path.write_bytes(judgement.graded)
    weighed = replace(judgement, rows=[replace(judgement.rows[0], points=0.0, verdict="wrong"), *judgement.rows[1:]])
    made = weighed_apart(lab, path, weighed)
    assert made == graded_text(lab, replace(weighed, notebook=nbformat.read(path, as_version=4)))
    assert made != judgement.graded


@pytest.mark.parametrize(("code", "said"), [(KILLED, "ended before it was done"), (SWOLLEN, "took too much memory")])
def test_a_process_that_ends_while_it_explains_is_said(meddled, hand_in, tmp_path, code, said):
    lab, path = load_lab(meddled, "00_mini", RUN_SEED), hand_in(code)
    with pytest.raises(GraderError, match=said):
        replay_apart(lab, path, tmp_path, LIMITS, SANDBOX_KERNEL, ["double/plain"])


@pytest.mark.parametrize("sent", ["b'[]'", "b'{'", "b'[' * 10**6", "b'[{}]'", "b'x' * 17 * 2**20"])
def test_what_does_not_fit_the_question_is_no_explanation(meddled, hand_in, tmp_path, sent):
    lab, path = load_lab(meddled, "00_mini", RUN_SEED), hand_in(f"child.write_replayed = lambda cases: {sent}")
    with pytest.raises(GraderError, match="not what was asked for"):
        replay_apart(lab, path, tmp_path, LIMITS, SANDBOX_KERNEL, ["double/plain"])
