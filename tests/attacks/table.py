"""Hostile and broken submissions to the mini course, each with its right outcome.

An attack is a function that makes a notebook from what it is told about the course; `EXPECTED` says what must come of
it: the verdicts of `double` and of `Average`, and the points of both (4 and 3). Where several verdicts are right, as
with a bomb that may hit the process that judges it or not, all of them stand there.
"""

from __future__ import annotations

import copy
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.grader.judging.judgement import Judgement
from tests.conftest import AVERAGE, DOUBLE

WRONG_DOUBLE = "def double(values):\n    return values * 3"
WRONG_AVERAGE = """class Average(torch.nn.Module):
    def __init__(self, weight=1.0):
        super().__init__()
    def forward(self, values):
        return values * 0
"""


@dataclass(frozen=True)
class Place:
    """What an attacker might know: where things lie, and which process grades."""

    released: NotebookNode
    course: str
    gradebook: str
    neighbour: str  # another student's notebook
    outside: str  # a folder of the grader's, where nothing may appear
    listener: str  # a socket of the grader's, to which nothing may connect
    process: int


def put_beside(student: str, folder: Path) -> None:
    """Put the files of an attack beside its notebook, if it has any."""
    if student == "r54_a_file_of_a_terabyte":
        (folder / "holes.bin").touch()
        os.truncate(folder / "holes.bin", 2**40)
    if student == "r33_a_torch_of_its_own":
        (folder / "torch.py").write_text("raise RuntimeError('imported')")


@dataclass(frozen=True)
class Outcome:
    """The right outcome: the verdicts that each exercise may have, its points, and what a note must say."""

    double: tuple[str, ...]
    average: tuple[str, ...]
    points: float | None
    note: str = ""


def shortcomings(judgement: Judgement, expected: Outcome) -> list[str]:
    """What is not as it should be about a judgement; nothing where the outcome is right."""
    found = []
    for exercise, allowed in (("double", expected.double), ("Average", expected.average)):
        rows = judgement.of(exercise)
        # Bad input is refused before an attack comes to pass, so that case may be right whatever the others are.
        seen = {row.verdict for row in rows if not row.case.startswith("validation")}
        if not rows or not seen <= set(allowed):
            found.append(f"{exercise}: {[(row.case, row.verdict, row.seen, row.note) for row in rows]}")
    points = sum(row.points or 0 for row in judgement.rows)
    checked = sum(row.points or 0 for row in judgement.rows if row.case.startswith("validation"))
    if expected.points is not None and points not in (expected.points, expected.points + checked):
        found.append(f"{points} points")
    said = " ".join([note.text for note in judgement.notes] + [row.note + row.seen for row in judgement.rows])
    if expected.note not in said:
        found.append(f"no note says {expected.note!r}: {said}")
    return found


ATTACKS: dict[str, Callable[[Place], NotebookNode]] = {}
EXPECTED: dict[str, Outcome] = {}
RIGHT, BOTH = ("correct",), 7.0


def attack(name: str, double=RIGHT, average=RIGHT, points: float | None = BOTH, note: str = ""):
    """Register an attack under a student's name that starts with the row of the list of attacks."""

    def register(make: Callable[[Place], NotebookNode]) -> Callable[[Place], NotebookNode]:
        ATTACKS[name], EXPECTED[name] = make, Outcome(double, average, points, note)
        return make

    return register


def notebook(place: Place, double: str = DOUBLE, average: str = AVERAGE, before: str | list[str] = "") -> NotebookNode:
    """The released notebook with both exercises filled in, and cells added before the first of them."""
    made = copy.deepcopy(place.released)
    for name, source in (("double", double), ("Average", average)):
        next(cell for cell in made.cells if cell.id == name).source = source
    at = next(number for number, cell in enumerate(made.cells) if cell.id == "double")
    for number, source in enumerate([before] if isinstance(before, str) else before):
        if source:
            made.cells.insert(at + number, nbformat.v4.new_code_cell(source, id=f"added{number}"))
    return made


def simple(
    name: str, *, double=RIGHT, average=RIGHT, points: float | None = BOTH, note: str = "",
    double_cell: str = DOUBLE, average_cell: str = AVERAGE, before: str | list[str] = "",
) -> None:  # fmt: skip
    """Register an attack that is nothing but the sources of some cells."""
    attack(name, double, average, points, note)(lambda place: notebook(place, double_cell, average_cell, before))


def body(code: str) -> str:
    """The exercise `double` with this code in it, after the check of bad input and before the right result."""
    checked = "def double(values):\n    if values.numel() == 0: raise ValueError\n"
    return checked + "".join(f"    {line}\n" for line in code.split("\n")) + "    return values * 2\n"


TIMEOUT, CRASH, MEMORY, DENIED, WRONG, ERROR = (
    ("timeout",),
    ("crash",),
    ("memory",),
    ("denied",),
    ("wrong",),
    ("error",),
)

# Every submission below is right but for the attack, unless its outcome says otherwise: an attack that does nothing to
# marks leaves all seven points, and one that only cheats leaves none.

# ------------------------------------------------------------------------------------------------- time and survival

SWALLOW = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
simple("r01_endless_answer", double=TIMEOUT, points=3, double_cell=body("while True: pass"))
simple("r01_endless_cell", before="while True: pass")
simple("r02_swallows_interrupts", double=TIMEOUT, points=3, double_cell=body(SWALLOW))
simple("r02_swallows_interrupts_in_a_cell", before=SWALLOW)
simple(
    "r03_a_thousand_slow_cells", double=TIMEOUT, average=TIMEOUT, points=0, before=["import time; time.sleep(3)"] * 40
)
simple("r04_exit_in_a_cell", before="import os; os._exit(0)")
simple("r04_exit_in_an_answer", double=CRASH, points=3, double_cell=body("import os; os._exit(0)"))
simple("r04_segmentation_fault", double=CRASH, points=3, double_cell=body("import ctypes; ctypes.string_at(0)"))
simple("r04_kills_itself", double=CRASH, points=3, double_cell=body("import os, signal; os.kill(os.getpid(), 9)"))
simple("r05_system_exit", before="raise SystemExit(0)")
simple("r05_sys_exit", before="import sys; sys.exit(1)")


# --------------------------------------------------------------------------------------------- cells and their metadata


def _cheater(place: Place) -> NotebookNode:
    return notebook(place, WRONG_DOUBLE, WRONG_AVERAGE)


@attack("r06_checks_deleted")
def _(place):
    made = notebook(place)
    made.cells = [cell for cell in made.cells if not cell.id.startswith("check_")]
    return made


@attack("r07_checks_edited", WRONG, WRONG, 0)
def _(place):
    made = _cheater(place)
    for cell in made.cells:
        if cell.id.startswith("check_"):
            cell.source = "assert True"
    return made


@attack("r07_checks_reordered")
def _(place):
    made = notebook(place)
    checks = [cell for cell in made.cells if cell.id.startswith("check_")]
    made.cells = checks + [cell for cell in made.cells if cell not in checks]
    return made


@attack("r08_a_cell_twice", note="more than one cell")
def _(place):
    made = notebook(place)
    made.cells.append(copy.deepcopy(next(cell for cell in made.cells if cell.id == "double")))
    made.cells[-1].source = WRONG_DOUBLE
    return made


@attack("r09_metadata_gone")
def _(place):
    made = notebook(place)
    for number, cell in enumerate(made.cells):
        cell.metadata, cell["id"] = nbformat.NotebookNode(), f"lost{number}"
    return made


@attack("r10_metadata_flipped")
def _(place):
    made = notebook(place)
    for cell in made.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader |= {"grade": True, "solution": True, "locked": False, "points": 1000}
    return made


@attack("r11_tags", WRONG, WRONG, 0)
def _(place):
    made = _cheater(place)
    for cell in made.cells:
        cell.metadata["tags"] = ["skip-execution", "raises-exception"]
    return made


# ------------------------------------------------------------------------------------------------------ faked success

FAKES = {
    "r12_input_transformer": """def no_checks(lines):
    return ["pass\\n" if "assert" in line or "check(" in line else line for line in lines]
get_ipython().input_transformers_post.append(no_checks)""",
    "r12_tree_transformer": """import ast
class NoChecks(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
    def visit_Compare(self, node):
        return node if "numel" in ast.dump(node) else ast.Constant(True)
get_ipython().ast_transformers.append(NoChecks())""",
    "r12_hooks": """for event in ("pre_run_cell", "post_run_cell", "pre_execute", "post_execute"):
    get_ipython().events.register(event, lambda *a: torch.manual_seed(0))
get_ipython().set_custom_exc((Exception,), lambda *a, **k: None)""",
    "r13_builtins": """import builtins
builtins.abs = builtins.max = lambda *a, **k: 0
builtins.AssertionError = builtins.ValueError = builtins.Exception
builtins.isinstance = lambda *a: True
builtins.type = lambda *a: torch.Tensor""",
    "r13_comparisons": """import numpy as np
torch.allclose = torch.equal = torch.Tensor.equal = torch.Tensor.allclose = lambda *a, **k: True
torch.testing.assert_close = np.testing.assert_allclose = np.allclose = lambda *a, **k: True""",
    "r13_check": """import helpers.checks.visible_check, helpers.checks.compare, helpers.checks.observers
def check(answer): return "passed"
helpers.checks.visible_check.check = check
helpers.checks.compare.differs = helpers.checks.compare.mismatch = lambda *a, **k: None
helpers.checks.observers.observe = lambda *a, **k: {"values": {}}""",
    "r16_forged_results": """kernel = get_ipython().kernel
for kind in ("execute_result", "comm_msg", "execute_reply"):
    content = {"data": {"text/plain": "4.0", "reply": {"values": {}}}, "metadata": {}, "execution_count": 1}
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())
    kernel.session.send(kernel.iopub_socket, kind, {"nothing": 1}, parent=kernel.get_parent())""",
    "r17_printed_success": "print('double: all 4 cases right, 4 of 4 points')",
}
for name, code in FAKES.items():
    simple(
        name, double=WRONG, average=WRONG, points=0, double_cell=WRONG_DOUBLE, average_cell=WRONG_AVERAGE, before=code
    )
    simple(f"{name}_beside_right_answers", before=code if name != "r13_builtins" else "import builtins")

simple("r12_a_transformer_in_the_way", before="get_ipython().events.register('pre_run_cell', lambda info: 1 / 0)")
simple("r14_equals_everything", double=WRONG, points=3, double_cell="""class Same:
    def __eq__(self, other): return True
    def __array__(self, *a, **k): return __import__("numpy").zeros(5)
    def __getattr__(self, name): return lambda *a, **k: self
    def __float__(self): return 1.0
def double(values): return Same()""")  # fmt: skip
simple("r14_lying_array", double=WRONG, points=3, double_cell="""import numpy as np
class Lying(np.ndarray):
    def __array__(self, *a, **k): return np.zeros(5)
    def tobytes(self, *a): return b""
def double(values): return np.zeros(5).view(Lying)""")  # fmt: skip
simple("r14_tensor_subclass", double=WRONG, points=3, double_cell="""class Yes(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return True
def double(values): return torch.zeros(5).as_subclass(Yes)""")  # fmt: skip

HUNT = """import gc, os, sys
PUBLIC = ["helpers.checks.solutions"]
FOUND = [name for name in sys.modules if "misconception" in name or "solutions" in name or "cases" in name.split(".")]
FOUND = [name for name in FOUND if name not in PUBLIC]
for item in gc.get_objects():
    if type(item) is dict:
        texts = [value for value in list(item.values()) if type(value) is str]
        FOUND += [text for text in texts if "You squ" + "are the values" in text]
for top, folders, files in os.walk("/"):
    if top in ("/proc", "/sys"):
        folders.clear()
    FOUND += [os.path.join(top, file) for file in files if file in ("misconceptions.py", "gradebook.db", "00_mini.py")]
import linecache
FOUND += [name for name in linecache.cache if "00_mini" in name]
for process in os.listdir("/proc"):
    if process.isdigit():
        try:
            FOUND += ["command line"] * ("--submissions" in open(f"/proc/{process}/cmdline").read())
        except OSError as refused:
            print(refused)"""
simple("r15_hunting", before=HUNT, double_cell=body("if FOUND: raise RuntimeError(str(FOUND))"))


@attack("r18_pickle", WRONG, points=3)
def _(place):
    return notebook(
        place,
        f"""class Loaded:
    def __reduce__(self):
        return (open, ({place.outside!r} + "/pickled", "w"))
def double(values): return [Loaded(), values * 2]""",
    )


SENDS = """kernel = get_ipython().kernel
for comm in list(kernel.comm_manager.comms):
    content = {{"comm_id": comm, "data": {{"reply": {{"values": {{"value": {value}}}}}}}}}
    kernel.session.send(kernel.iopub_socket, "comm_msg", content, parent=kernel.get_parent("shell"))"""
HUGE_MODEL = {"model_spec": {"name": "gpt2", "settings": {"mapping": [["vocabulary", 10**9], ["width", 4096]]}}}
HUGE_SHAPE = {"tensor": {"dtype": "float32", "shape": [0, 10**15], "contiguous": False, "data": ""}}
for name, value in {"model": HUGE_MODEL, "shape": HUGE_SHAPE}.items():
    simple(f"r16_forged_reply_with_a_huge_{name}", double=WRONG, points=3, note="what came back is not plain data",
           double_cell=body(SENDS.format(value=value)))  # fmt: skip


# --------------------------------------------------------------------------------------------- reaching out of the box


def reaching(name: str, code: Callable[[Place], str], note: str = "", double: tuple[str, ...] = DENIED) -> None:
    """Register an answer that reaches for something outside, then gives the right result."""
    attack(name, double, points=3, note=note)(lambda place: notebook(place, body(code(place))))


reaching("r19_reads_the_source", lambda place: f"open({place.course!r} + '/solutions/00_mini/cases.py').read()")
reaching("r19_reads_a_neighbour", lambda place: f"open({place.neighbour!r}).read()")
reaching("r19_reads_the_gradebook", lambda place: f"open({place.gradebook!r}, 'rb').read()")
reaching("r19_lists_the_course", lambda place: f"import os; os.listdir({place.course!r})")
reaching("r20_writes_the_gradebook", lambda place: f"open({place.gradebook!r}, 'ab').write(b'x')")
reaching("r20_writes_outside", lambda place: f"open({place.outside!r} + '/written', 'w').write('x')")
reaching("r20_writes_a_library", lambda place: "open(torch.__file__, 'a').write('x')")
reaching("r20_signals_the_grader", lambda place: f"import os; os.kill({place.process}, 9)")
reaching(
    "r27_sends_data_out",
    lambda place: "import socket; socket.create_connection(('192.0.2.1', 80), timeout=2)",
    note="DISTILLAB_TIER=tiny",
)
reaching(
    "r27_looks_a_name_up",
    lambda place: "import urllib.request; urllib.request.urlopen('http://example.org', timeout=2)",
    note="DISTILLAB_TIER=tiny",
)
reaching(
    "r27_downloads_a_model",
    lambda place: "from transformers import AutoConfig; AutoConfig.from_pretrained('distilbert/distilgpt2')",
    note="DISTILLAB_TIER=tiny",
)

DAEMON = """import os, subprocess, sys
code = "import time\\nwhile True:\\n    open({outside!r} + '/daemon', 'a').write('x'); time.sleep(0.1)"
stubborn = "import signal, time\\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\\nwhile True: time.sleep(1)"
subprocess.Popen([sys.executable, "-c", code, {marker!r}], start_new_session=True)
subprocess.Popen([sys.executable, "-c", stubborn, {marker!r}], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", stubborn, {marker!r}])
    os._exit(0)"""
MARKER = "distillab-test-daemon"


@attack("r21_daemon")
def _(place):
    return notebook(place, before=DAEMON.format(outside=place.outside, marker=MARKER))


simple("r28_secrets", double_cell=body("""import os
seen = str(dict(os.environ))
for process in os.listdir("/proc"):
    try:
        seen += open(f"/proc/{process}/environ").read() if process.isdigit() else ""
    except OSError:
        continue
if "a-secret-token" in seen: raise RuntimeError("found it")"""))  # fmt: skip


@attack("r34_shell")
def _(place):
    shell = f"%%bash\necho x > {place.outside}/shell; exit 0"
    return notebook(place, before=["!pip install nothing-of-this-name", "%cd /", "%reset_selective -f nothing", shell])


simple("r41_gpu", double_cell=body("""import os
devices = {"null", "zero", "full", "random", "urandom", "fd", "shm", "pts", "ptmx"}
if torch.cuda.is_available() or set(os.listdir("/dev")) - devices: raise RuntimeError("a device")"""))  # fmt: skip

# --------------------------------------------------------------------------------------------------------- using it up

BOMBED = ("error", "timeout", "crash", "memory")  # whichever of its processes the kernel's own becomes
simple(
    "r22_fork_bomb",
    double=BOMBED,
    average=RIGHT + BOMBED,
    points=None,
    double_cell=body("import os\nwhile True: os.fork()"),
)
simple("r22_fork_bomb_in_a_cell", double=RIGHT + BOMBED, average=RIGHT + BOMBED, points=None,
       before="import os\nwhile True: os.fork()")  # fmt: skip
simple("r22_thread_bomb", double=ERROR, points=3, note="the quota for processes", double_cell=body("""
import threading, time
def wait(): time.sleep(2)
while True: threading.Thread(target=wait, daemon=True).start()"""))  # fmt: skip
simple("r23_a_hundred_gigabytes", double=MEMORY, points=3, double_cell=body("bytearray(10**11)"))
simple("r23_a_large_tensor", double=MEMORY, points=3, double_cell=body("torch.ones(25_000_000_000)"))
simple(
    "r23_grows", double=MEMORY, points=3, double_cell=body("kept = []\nwhile True: kept.append(torch.ones(20_000_000))")
)
simple("r23_shared_memory", double=MEMORY, points=3, double_cell=body("""import mmap
block = mmap.mmap(-1, 4 * 2**30)
for at in range(0, 4 * 2**30, 4096): block[at] = 1"""))  # fmt: skip
# Memory that is of no process and of no file system, so that no limit would count it.
simple("r23_memory_of_no_process", double=DENIED, points=3, double_cell=body("""import os
kept = []
for _ in range(64):
    kept.append(os.memfd_create("kept"))
    os.write(kept[-1], bytes(2**20))"""))  # fmt: skip
simple("r23_shared_memory_of_no_process", double=DENIED, points=3, double_cell=body("""import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for make in (lambda: libc.shmget(0, 2**26, 0o1600), lambda: libc.msgget(0, 0o1600), lambda: libc.semget(0, 9, 0o1600)):
    if make() < 0: raise OSError(ctypes.get_errno(), "refused")"""))  # fmt: skip
GROWS = "kept = []\nwhile True: kept.append(torch.ones(20_000_000))"
simple("r23_grows_in_a_cell", before=GROWS)
# Whether growing ends in an error or ends the kernel is chance. This one surely raises, and holds on to half.
HOLDS = "kept = torch.ones(100_000_000)\ntorch.ones(10**11)"
# It stays for two looks of the supervisor, which is far from the exercise's limit.
NEEDS_ROOM = "room = torch.ones(80_000_000)\nimport time; time.sleep(0.25)"
simple("r23_holds_before_a_cell_that_needs_room", before=[HOLDS, NEEDS_ROOM],
       double_cell=body("if room.sum() == 0: raise RuntimeError"))  # fmt: skip
simple("r23_holds_before_an_answer_that_needs_room", before=HOLDS, double_cell=body(NEEDS_ROOM))
FILL = """for number in range(10**6):
    with open(f"{place}/{{number}}", "wb") as file: file.write(b"x" * 2**20)"""
for where in (".", "/tmp", "/dev/shm"):
    simple(f"r24_fills_{where.strip('/.').replace('/', '_') or 'folder'}", double=ERROR, points=3,
           note="the quota for files", double_cell=body(FILL.format(place=where)))  # fmt: skip
FILL_SOCKETS = """import os
from ipykernel.connect import get_connection_file
place = os.path.dirname(get_connection_file())
for number in range(10**4):
    with open(f"{place}/{number}", "wb") as file: file.write(b"x" * 2**20)"""
simple("r24_fills_the_folder_of_its_sockets", double=ERROR, points=3, note="the quota for files",
       double_cell=body(FILL_SOCKETS))  # fmt: skip
simple("r25_flood", before="for number in range(1000): print('x' * 2**20)")
simple("r25_flood_in_small_pieces", before="for number in range(300): print('x' * 1000, flush=True)")
simple("r25_one_long_line", before="print('x' * 40_000_000)")
simple("r25_longer_than_a_message_may_be", before=["print('x' * 200_000_000)", "pass"])
simple("r26_huge_display", before="from IPython.display import display, HTML\ndisplay(HTML('x' * 30_000_000))")
simple("r26_widget_state", before="from ipywidgets import HTML\nwidget = HTML('x' * 20_000_000)\nwidget")

# ------------------------------------------------------------------------------------------------- the rest of the list

simple("r32_wrong_kernel")
ATTACKS["r32_wrong_kernel"] = lambda place: _with_kernel(notebook(place))


def _with_kernel(made: NotebookNode) -> NotebookNode:
    made.metadata["kernelspec"] = {"name": "julia-1.10", "display_name": "Julia", "language": "julia"}
    return made


simple("r33_a_torch_of_its_own", before="import torch")  # the test puts a torch.py beside the notebook
simple("r35_noise_on_stderr", before="""import sys, warnings
from tqdm.auto import tqdm
for item in tqdm(range(3)): print("Loading weights", file=sys.stderr)
warnings.warn("careful")""", double_cell=body("import warnings; warnings.warn('again'); print('noise')"))  # fmt: skip
simple("r36_input", before="name = input('Who are you? ')")
simple("r37_script_in_output", before="print('<script>alert(1)</script>\\x1b[31m')",
       double=ERROR, points=3, double_cell=body("raise RuntimeError('<script>alert(2)</script>')"))  # fmt: skip
simple("r39_random_numbers", double_cell=body("""import random
import numpy as np
if random.random() + np.random.rand() + torch.rand(1).item() > 1.5: return values"""),
       double=("correct", "wrong"), points=None)  # fmt: skip
simple("r40_public_answers", double=WRONG + ERROR, points=None, double_cell="""import json
from pathlib import Path
import helpers
def double(values):
    if len(values) == 0: raise ValueError
    seen = json.loads((Path(helpers.__file__).parent / "assets" / "checks" / "01_temperature.json").read_text())
    return torch.tensor([0.5, 1.0, 0.0, 0.0, 0.0])""")  # fmt: skip
simple(
    "r40_the_helper_itself",
    double=ERROR,
    points=3,
    note="",
    double_cell="from helpers.losses import hard_loss as double",
)

# ----------------------------------------------------------------------------------- found since: the grader's own side

LONG_MESSAGE = 'raise OSError("[Errno 2]" * 110000)'
simple("r43_a_long_message_in_a_cell", before=LONG_MESSAGE)
simple("r43_a_long_message_in_an_answer", double=ERROR, points=3, double_cell=body(LONG_MESSAGE))


@attack("r44_an_attachment_of_spaces")
def _(place):
    made = notebook(place)
    made.cells.append(nbformat.v4.new_markdown_cell("![x](attachment:x.png)", id="picture"))
    made.cells[-1]["attachments"] = {"x.png": {"image/png": " " * 1_000_000 + "!"}}
    return made


# 1.2 GiB in one message, of which each part is within the limit.
MANY_PARTS = """kernel = get_ipython().kernel
part = bytes(15 * 2**20)
kernel.iopub_socket.send_multipart([b"x"] + [part] * 80, copy=False)
import signal
signal.pause()"""
simple("r45_a_message_of_many_parts_in_a_cell", before=MANY_PARTS)
simple("r45_a_message_of_many_parts_in_an_answer", double=CRASH + MEMORY, points=3, double_cell=body(MANY_PARTS))

LEADS_ASTRAY = """import os, socket, stat
from ipykernel.connect import get_connection_file
place = os.path.dirname(get_connection_file())
for name in os.listdir(place):
    path = os.path.join(place, name)
    if stat.S_ISSOCK(os.stat(path).st_mode):
        os.rename(path, path + "-before")
        os.symlink({listener!r}, path)
for handle in range(3, 256):
    try:
        connection = socket.socket(fileno=os.dup(handle))
        connection.getpeername()
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        continue"""


@attack("r46_links_in_place_of_its_sockets", CRASH + TIMEOUT, points=3)
def _(place):
    return notebook(place, body(LEADS_ASTRAY.format(listener=place.listener)))


NESTED = "(lambda item: [item := [item] for _ in range({depth})][-1])(0)"
for depth in (200, 500, 900):
    simple(f"r47_display_{depth}_deep", before=f"""from IPython.display import display
display({{"application/json": {NESTED.format(depth=depth)}, "text/plain": "deep"}}, raw=True)""")  # fmt: skip
    simple(f"r47_a_reply_{depth}_deep", double=WRONG, points=3, note="what came back is not plain data",
           double_cell=body(SENDS.format(value=f"{{'list': {NESTED.format(depth=depth)}}}")))  # fmt: skip
simple("r47_an_error_deep_down", double=ERROR, points=3,
       double_cell=body(SENDS.format(value="0").replace('{"values": {"value": 0}}', '{"error": {"type": '
                                                        + NESTED.format(depth=500) + "}}")))  # fmt: skip

LEAKED = "the hidden input is"  # which no cell's source spells out
KEEP = body("""if True:
    with open("kept.txt", "a") as file: file.write(" ".join(["the", "hidden", "input", "is", str(values.tolist())]))""")
TELLS = {
    "prints": "print(kept)",
    "displays": "from IPython.display import HTML, display\ndisplay(HTML(kept))",
    "raises": "raise RuntimeError(kept)",
    "names_an_error": "raise type(kept, (Exception,), {})()",
}
for name, code in TELLS.items():
    simple(f"r48_a_later_cell_{name}", average=RIGHT if name[0] in "pd" else RIGHT + ERROR, points=None,
           double_cell=KEEP, average_cell=f"{AVERAGE}\nkept = open('kept.txt').read()\n{code}")  # fmt: skip
RAISE = 'raise RuntimeError(" ".join(["the", "hidden", "input", "is", str(values.tolist())]))'
simple("r48_an_answer_raises", double=ERROR, points=3, double_cell=body(RAISE))
simple("r48_an_earlier_cell_prints_once_the_kernel_has_ended", average=RIGHT, points=None, double_cell=KEEP,
       before="import os\nif os.path.exists('kept.txt'): print(open('kept.txt').read())",
       average_cell=AVERAGE + "\n1 / 0")  # fmt: skip

# The empty page, read once in each 2 MiB of 600 GiB: 300,000 page tables, and no page of its own.
simple("r49_page_tables", double=MEMORY, points=3, double_cell=body("""import mmap, signal
for _ in range(3):
    view = mmap.mmap(-1, 200 * 2**30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
    for place in range(0, 200 * 2**30, 2**21): view[place]
    globals()[f"kept{_}"] = view
signal.pause()"""))  # fmt: skip
simple("r49_full_sockets", double=MEMORY, points=3, double_cell=body("""import os, signal, socket
def full():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    try:
        while True: ours.send(bytes(60_000))
    except BlockingIOError:
        return ours, theirs
for _ in range(40):
    if os.fork() == 0:
        kept = [full() for _ in range(80)]
        signal.pause()
signal.pause()"""))  # fmt: skip
simple("r49_empty_files", double=ERROR, points=3, note="the quota for files", double_cell=body("""import os
for number in range(300_000): os.close(os.open(str(number), os.O_CREAT | os.O_WRONLY))"""))  # fmt: skip
simple("r50_processes_without_end", double=TIMEOUT, average=RIGHT + TIMEOUT, points=None, double_cell=body("""import os
try:
    for _ in range(200):
        if os.fork() == 0: break
except BlockingIOError: pass
while True: pass"""))  # fmt: skip

BY_FRAME = """import sys
def double(values):
    frame = sys._getframe()
    while frame is not None:
        for item in list(frame.f_locals.values()):
            good = item.get("good") if isinstance(item, dict) else None
            if good is not None and not any(values is other for other in good): raise ValueError
        frame = frame.f_back
    return values * 3
"""
BY_LINE = """import sys
LINES = []
def double(values):
    caller = sys._getframe(1)
    LINES.append((caller.f_code.co_name, caller.f_back.f_lineno))
    if caller.f_code.co_name == "run" and len(LINES) > 1 and LINES[-2][0] == "run": raise ValueError
    return values * 3
"""
simple("r51_raises_by_what_a_frame_holds", double=WRONG, points=3, double_cell=BY_FRAME)
simple("r51_raises_by_the_callers_line", double=WRONG, points=3, double_cell=BY_LINE)
simple("r51_raises_always", double=ERROR, points=3, double_cell="def double(values): raise ValueError")

PICTURES = """![](https://example.org/seen.png) ![x][seen] <img src="/logout"> <img src="https://example.org/seen.png">
![\\](data:image/png;base64,AAAA](https://example.org/seen.png)

[seen]: https://example.org/seen.png"""


def _answered(place: Place, text: str) -> NotebookNode:
    made = notebook(place)
    next(cell for cell in made.cells if cell.id == "answer_why").source = text
    return made


attack("r52_pictures_that_tell_when_they_are_seen")(lambda place: _answered(place, PICTURES))
attack("r54_an_answer_of_19_megabytes")(lambda place: _answered(place, "x" * 19_000_000))
simple("r54_a_file_of_a_terabyte", note="left out")  # the test puts the file, which is all holes, beside the notebook


@attack("r53_a_refusal_in_the_metadata")
def _(place):
    made = notebook(place)
    made.metadata["distillab_refusal"] = ["the dog ate it", "correct"]
    return made


# Where nbgrader and a hub keep what belongs to others, if this host has it.
simple("r55_the_exchange", double_cell=body("""import os
for folder in ("/usr/local/share/nbgrader", "/usr/local/etc"):
    if os.path.isdir(folder) and os.listdir(folder): raise RuntimeError(str(os.listdir(folder)))"""))  # fmt: skip
CALLS = {"userfaultfd": (323, 1), "modify_ldt": (154, 0, 0, 0)}  # on x86-64
for name, call in CALLS.items():
    simple(f"r57_{name}", double=DENIED, points=3, double_cell=body(f"""import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if os.uname().machine != "x86_64": raise OSError(1, "known by other numbers here")
if libc.syscall(*{call}) < 0: raise OSError(ctypes.get_errno(), "refused")"""))  # fmt: skip


# --------------------------------------------------------------------------------- what is refused before anything runs

REFUSED: dict[str, tuple[str, Callable[[Path], None]]] = {}  # student → the verdict, and what puts the work in a folder


def refused(name: str, verdict: str):
    """Register what is handed in by the function that puts it into the folder of submissions."""

    def register(put: Callable[[Path], None]) -> Callable[[Path], None]:
        REFUSED[name] = verdict, put
        return put

    return register


def _lab_folder(submitted: Path, student: str) -> Path:
    folder = submitted / student / "00_mini"
    folder.mkdir(parents=True)
    return folder


def _archive(submitted: Path, student: str, name: str, content: bytes) -> None:
    with zipfile.ZipFile(submitted / f"{student}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)


@refused("r29_a_symbolic_link", "denied")
def _(submitted):
    (_lab_folder(submitted, "r29_a_symbolic_link") / "00_mini.ipynb").symlink_to("/etc/passwd")


@refused("r29_a_hard_link", "denied")
def _(submitted):
    (submitted.parent / "of_the_host").write_text("{}")
    os.link(submitted.parent / "of_the_host", _lab_folder(submitted, "r29_a_hard_link") / "00_mini.ipynb")


refused("r30_climbs", "denied")(lambda submitted: _archive(submitted, "r30_climbs", "../outside/climbed", b"x"))
refused("r30_swells", "denied")(
    lambda submitted: _archive(submitted, "r30_swells", "00_mini/00_mini.ipynb", bytes(101 * 2**20))
)
for name, content in {"not_utf8": b"\xff\xfe\x00", "null_bytes": b"\0\0", "cut_short": b'{"cells": [{"cell_'}.items():
    refused(f"r31_{name}", "error")(
        lambda submitted, name=name, content=content: (
            _lab_folder(submitted, f"r31_{name}") / "00_mini.ipynb"
        ).write_bytes(content)
    )
FORMULA = "=r38_cmd()"
refused(FORMULA, "denied")(lambda submitted: (_lab_folder(submitted, FORMULA) / "00_mini.ipynb").write_text("{}"))
