"""The judge on real kernels: every verdict, honest or hostile, and nobody's trick earns a point."""

import ast
import base64
import random

import nbformat
import numpy
import pytest
import torch

from helpers.grader.course.lab import seed_of
from helpers.grader.judging.judge import judge
from helpers.grader.limits import Limits
from tests.conftest import AVERAGE, DOUBLE, RUN_SEED

LIMITS = Limits(cell=3, exercise=2, notebook=60, output=100_000)


@pytest.fixture
def judged(mini, notebook, tmp_path, kernel_name):
    """A function that judges a notebook made from sources, and returns verdicts and points by exercise."""

    def run(*sources, limits=LIMITS, **options):
        made = sources[0] if isinstance(sources[0], nbformat.NotebookNode) else notebook(*sources, **options)
        return judge(mini, made, tmp_path, limits, kernel_name)

    return run


def verdicts(judgement, exercise):
    return [row.verdict for row in judgement.of(exercise)]


def points(judgement):
    return sum(row.points or 0 for row in judgement.rows)


def test_right_answers_get_all_points(judged):
    judgement = judged(DOUBLE, AVERAGE, answer="Because of this.")
    assert points(judgement) == 7 and set(verdicts(judgement, "double")) == {"correct"}
    assert judgement.answers == {"answer_why": "Because of this."}
    assert [row.points for row in judgement.of("double")] == [1, 1, 1, 1]


def test_an_untouched_notebook_is_missing_everywhere(judged, notebook):
    judgement = judged(notebook())
    assert {row.verdict for row in judgement.rows} == {"missing", "manual"} and points(judgement) == 0
    assert judgement.rows[-1].points is None and judgement.rows[-1].note == "no answer"


def test_a_misconception_is_named_and_credit_is_partial(judged):
    judgement = judged("def double(values):\n    return values ** 2", AVERAGE)
    assert verdicts(judgement, "double") == ["wrong"] * 4 and points(judgement) == 3
    assert [row.misconception for row in judgement.of("double")] == ["squared"] * 3 + [""]


def test_missing_validation_costs_its_share_only(judged):
    judgement = judged("def double(values):\n    return values + values", AVERAGE)
    assert verdicts(judgement, "double") == ["correct"] * 3 + ["wrong"] and points(judgement) == 6
    assert "must raise ValueError, and it raised nothing" in judgement.of("double")[-1].seen


def test_a_wrong_exception_type_is_wrong(judged):
    source = "def double(values):\n    if len(values) == 0: raise TypeError\n    return values * 2"
    assert verdicts(judged(source), "double") == ["correct"] * 3 + ["wrong"]


def test_a_built_in_that_the_notebook_replaces_counts_for_nothing(judged):
    source = "import builtins\nbuiltins.ValueError = Exception\nbuiltins.sum = lambda *a, **k: 0\n"
    source += "def double(values):\n    if not values.numel(): raise TypeError\n    return values * 2"
    assert verdicts(judged(source), "double") == ["correct"] * 3 + ["wrong"]


def test_names_of_ones_own_do_not_carry_hidden_numbers_into_the_feedback(judged):
    source = """def double(values):
    said = "x" + "_".join(str(int(abs(value) * 1000)) for value in values.reshape(-1).tolist())
    if not values.numel(): raise type(said, (RuntimeError,), {})("no")
    return type(said, (), {})()"""
    rows = judged(source).of("double")
    assert [row.verdict for row in rows] == ["wrong"] * 4
    assert "it raised RuntimeError" in rows[-1].seen
    assert not any(character.isdigit() for row in rows for character in row.seen + row.line)


def test_raising_valueerror_always_earns_nothing(judged):
    assert points(judged("def double(values):\n    raise ValueError('x')")) == 0


BY_FRAME = """import sys
def double(values):
    frame = sys._getframe()
    while frame is not None:
        for item in list(frame.f_locals.values()):
            good = item.get("good") if isinstance(item, dict) else None
            if good is not None and not any(values is other for other in good):
                raise ValueError
        frame = frame.f_back
    return values * 0
"""
BY_COUNT = """count = 0
def double(values):
    global count
    count += 1
    if count > 4: raise ValueError
    return values * 0
"""


@pytest.mark.parametrize("source", [BY_FRAME, BY_COUNT], ids=["by frame", "by count"])
def test_raising_where_validation_is_asked_without_a_look_at_the_input_gives_nothing(judged, source):
    assert points(judged(source)) == 0


LEAK = """class Said(Exception): pass
def double(values):
    open("kept.txt", "a").write(str(values))
    return values * 3"""
LATER = (
    AVERAGE
    + """
from IPython.display import display
kept = open("kept.txt").read()
print("printed", kept)
display({"text/plain": "displayed " + kept, "text/html": kept}, raw=True)
raise type(kept.replace("(", "").replace(")", ""), (Exception,), {})("in an error " + kept)"""
)
FIRST = "import os\nprint(open('kept.txt').read() if os.path.exists('kept.txt') else 'nothing yet')"


@pytest.mark.parametrize("ending", ["", "\nimport os, time\ntime.sleep(0.2)\nos._exit(1)"])
def test_nothing_that_a_hidden_case_was_put_into_is_told(judged, ending):
    """Neither by a later cell, by name or text of its error, nor by an earlier one that runs again."""
    later = LATER.rpartition("\n")[0] + ending if ending else LATER
    judgement = judged(LEAK, later, before=FIRST)
    first = next(cell for cell in judgement.notebook.cells if cell.source == FIRST)
    assert first.outputs[0].text == "nothing yet\n"
    told = [str(cell.get("outputs")) for cell in judgement.notebook.cells]
    told += [row.seen + row.note + row.line for row in judgement.rows] + [note.text for note in judgement.notes]
    assert not any(word in text for text in told for word in ("tensor(", "displayed", "printed", "in an error"))
    assert judgement.of("double")[0].seen == "its values differ from the right ones"


def test_an_error_in_a_later_cell_is_told_by_its_class(judged):
    judgement = judged(DOUBLE, "import no_such_module_7\n" + AVERAGE)
    row = judgement.of("Average")[0]
    assert row.seen == ("the cell that defines it ended in ModuleNotFoundError: there is no module 'no_such_module_7'")
    judgement = judged(DOUBLE, "class Average(torch.nn.Module)\n    pass")
    row = judgement.of("Average")[0]
    assert row.seen.startswith("the cell that defines it ended in SyntaxError: expected ':'")


def test_a_syntax_error_is_an_error_with_its_message(judged):
    judgement = judged("def double(values):\n    return values +", AVERAGE)
    assert set(verdicts(judgement, "double")) == {"error"} and points(judgement) == 3
    assert "SyntaxError" in judgement.of("double")[0].seen


def test_an_error_shows_its_class_and_line_and_nothing_that_it_says(judged):
    row = judged("def double(values):\n    raise RuntimeError(str(values))").of("double")[0]
    assert row.verdict == "error" and row.seen == "RuntimeError" and row.line == "raise RuntimeError(str(values))"


@pytest.mark.parametrize("loop", ["while True: pass", "while True:\n        try:\n            while True: pass\n"
                                  "        except BaseException: pass"])  # fmt: skip
def test_an_endless_answer_times_out_and_the_rest_is_judged(judged, loop):
    judgement = judged(f"def double(values):\n    {loop}", AVERAGE)
    assert set(verdicts(judgement, "double")) == {"timeout"} and points(judgement) == 3


@pytest.mark.parametrize("loop", ["while True: pass", "while True:\n    try:\n        while True: pass\n"
                                  "    except BaseException: pass"])  # fmt: skip
def test_an_endless_cell_times_out_and_the_rest_is_judged(judged, loop):
    judgement = judged(DOUBLE, AVERAGE, before=loop)
    assert points(judgement) == 7
    assert any("stopped after" in str(cell.get("outputs")) or "timeout" in str(cell.get("outputs"))
               for cell in judgement.notebook.cells)  # fmt: skip


def test_an_exercise_cell_that_never_ends_is_a_timeout_not_missing(judged):
    judgement = judged(DOUBLE + "\nwhile True: pass", AVERAGE, limits=Limits(cell=1, exercise=2))
    # the function was defined before the loop began, so it is judged on its merits
    assert points(judgement) == 7
    judgement = judged("if True:\n    while True: pass\n" + DOUBLE, AVERAGE, limits=Limits(cell=1, exercise=2))
    assert set(verdicts(judgement, "double")) == {"timeout"} and points(judgement) == 3


@pytest.mark.parametrize("death", ["import os; os._exit(0)", "import ctypes; ctypes.string_at(0)"])
def test_a_cell_that_ends_the_kernel_costs_itself_only(judged, death):
    judgement = judged(DOUBLE, AVERAGE, before=death)
    assert points(judgement) == 7


def test_an_answer_that_ends_the_kernel_is_a_crash(judged):
    judgement = judged("def double(values):\n    import os; os._exit(0)", AVERAGE)
    assert set(verdicts(judgement, "double")) == {"crash"} and points(judgement) == 3


def test_what_a_lost_cell_defined_carries_its_verdict(judged):
    judgement = judged(
        "def double(values):\n    return values * two", AVERAGE, before="two = 2.0\nimport os; os._exit(0)"
    )
    assert verdicts(judgement, "double")[0] == "crash" and points(judgement) == 3


def test_the_notebooks_budget_ends_it(judged):
    endless = "while True: pass"
    judgement = judged(DOUBLE, AVERAGE, before=endless, limits=Limits(cell=30, exercise=2, notebook=4))
    assert set(verdicts(judgement, "double")) == {"timeout"} and points(judgement) == 0
    assert "used up" in judgement.of("double")[0].note


TRICKS = {
    "system exit": "raise SystemExit",
    "input": "input('?')",
    "stderr": "import sys; print('Loading weights', file=sys.stderr)",
    "a flood": "print('x' * 10_000_000)",
    "another check": "def check(answer):\n    return 'passed'\nimport helpers.checks\nhelpers.checks.check = check",
    "switches": "torch.set_grad_enabled(False)\ntorch.set_default_dtype(torch.float64)",
    "torch's comparison": "torch.allclose = torch.equal = lambda *a, **k: True",
    "a hook": "get_ipython().events.register('pre_run_cell', lambda info: 1 / 0)",
    "forged output": "from IPython.display import display\ndisplay({'text/plain': '4.0'}, raw=True)",
    "a forged reply": "get_ipython().kernel.session.send(get_ipython().kernel.iopub_socket, 'comm_msg', {'data': {}})",
}


@pytest.mark.parametrize("name", TRICKS)
def test_what_a_cell_does_before_gives_nothing_and_costs_nothing(judged, name):
    judgement = judged("def double(values):\n    return values * 3", AVERAGE, before=TRICKS[name])
    assert verdicts(judgement, "double") == ["wrong"] * 4 and verdicts(judgement, "Average") == ["correct"]


BREAKAGES = {
    "an input transformer": "get_ipython().input_transformers_post.append(lambda lines: ['answer = 1\\n'])",
    "a full reset": "%reset -f",
    "builtins": "import builtins\nbuiltins.abs = builtins.len = builtins.isinstance = lambda *a: True",
    "an AST transformer": "import ast\nclass T(ast.NodeTransformer):\n    def visit_Module(self, node):\n"
    "        return ast.parse('x = 1')\nget_ipython().ast_transformers.append(T())",
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_breaks_the_students_own_cells_gives_nothing(judged, name):
    judgement = judged("def double(values):\n    return values * 3", AVERAGE, before=BREAKAGES[name])
    assert all(row.verdict != "correct" for row in judgement.of("double"))


ANSWERS = {
    "equal to all": "class E:\n    def __eq__(self, other): return True\ndef double(values):\n    return E()",
    "a subclass": "class S(torch.Tensor): pass\ndef double(values):\n    return (values * 2).as_subclass(S)",
    "a lying array": "class A:\n    def __array__(self, *a): return 1 / 0\ndef double(values):\n    return A()",
    "a pickle": "import pickle\ndef double(values):\n    return pickle.dumps(values * 2)",
    "NaN": "def double(values):\n    return values * float('nan')",
    "text": "def double(values):\n    return 'correct'",
    "nothing": "def double(values):\n    print('correct')",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_values_that_are_no_plain_data_are_wrong(judged, name):
    judgement = judged(ANSWERS[name], AVERAGE)
    assert verdicts(judgement, "double")[0] == "wrong" and points(judgement) == 3


def test_numpy_counts_where_no_gradient_is_due(judged):
    judgement = judged("def double(values):\n    return values.detach().numpy() * 2", AVERAGE)
    assert verdicts(judgement, "double") == ["correct", "wrong", "correct", "wrong"]


SEARCH = """
import base64, os, sys
MASK, PART = 0x55, 6

def in_memory(needles):
    \"\"\"The names of the masked needles that this process's memory holds; the search itself never unmasks one.\"\"\"
    found = set()
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            bounds, access = line.split()[:2]
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            if not access.startswith("rw"):
                continue
            while start < end:
                try:
                    memory.seek(start)
                    chunk = memory.read(min(end - start, 2**24))
                except (OSError, ValueError, OverflowError):
                    break
                for name, (offset, masked) in needles.items():
                    part = bytes(byte ^ MASK for byte in masked[offset : offset + PART])
                    at = chunk.find(part)
                    while at >= 0 and name not in found:
                        whole = chunk[max(0, at - offset) : at - offset + len(masked)]
                        if bytes(byte ^ MASK for byte in whole) == masked:
                            found.add(name)
                        at = chunk.find(part, at + 1)
                start += max(1, len(chunk) - 200) if start + len(chunk) < end else len(chunk) or end - start
    return found
"""


def masked(data):
    """The bytes in a form that does not find itself, after the offset of the six that are most unlike others."""
    offset = max(range(len(data) - 5), key=lambda start: len(set(data[start : start + 6])))
    return offset, bytes(byte ^ 0x55 for byte in data)


def forms_of(name, tensor):
    """The bytes in which a tensor of float32 could lie in memory: as float32, as float64, in base64 as it is sent."""
    single, double = tensor.numpy().tobytes(), tensor.double().numpy().tobytes()
    unpadded = base64.b64encode(single[: len(single) // 3 * 3])
    return {f"{name} as {form}": masked(data) for form, data in
            (("float32", single), ("float64", double), ("base64", unpadded))}  # fmt: skip


def test_what_was_not_sent_yet_is_nowhere_in_the_kernels_memory(judged, mini, all_outputs_kept):
    """Neither inputs of later cases nor expected values nor those of known mistakes; the first input is, of course."""
    case, later = mini.exercises["double"].cases[0], mini.exercises["Average"].cases[0]
    key = mini.key("double")[case.name]
    hidden = forms_of("a later input", later.arguments[0]) | forms_of("the expected value", key.expected["value"])
    hidden |= forms_of("a known mistake's value", key.known_wrong["squared"]["value"])
    hidden |= {f"the run's seed as {form}": masked(data) for form, data in
               (("text", str(RUN_SEED).encode()), ("bytes", RUN_SEED.to_bytes(8, "little")))}  # fmt: skip
    sent = forms_of("the input", case.arguments[0])
    answer = f"found = []\ndef double(values):\n    if not found:\n        found.append(in_memory({hidden | sent!r}))\n"
    answer += "    if values.numel() == 0: raise ValueError\n    return values * 2"
    limits = Limits(cell=30, exercise=60, notebook=120)
    average = AVERAGE + "\nprint(sorted(found[0]))"
    judgement = judged(answer, average, before=SEARCH, limits=limits)
    assert verdicts(judgement, "double") == ["correct"] * 4
    cell = next(cell for cell in judgement.notebook.cells if cell.id == "Average")
    found = set(ast.literal_eval(cell.outputs[0].text))
    assert {"the input as float32", "the input as base64"} <= found, "the search itself finds nothing"
    assert not found & set(hidden)


def test_the_course_is_not_imported_in_the_kernel(judged):
    search = (
        "import gc, sys\n"
        "def double(values):\n"
        "    import helpers.grader\n"
        "    found = [o for o in gc.get_objects() if type(o).__name__ in ('Case', 'Lab', 'Exercise')]\n"
        "    names = [n for n in sys.modules if 'cases' in n or 'judge' in n or 'misconceptions' in n]\n"
        "    return values * (2 if not found and not names else 3)\n"
    )
    assert verdicts(judged(search, AVERAGE), "double")[:3] == ["correct"] * 3


def test_the_librarys_own_answer_is_refused(judged):
    judgement = judged("def double(values):\n    from helpers.losses import forward_kl\n    return values * 2", AVERAGE)
    row = judgement.of("double")[0]
    assert row.verdict == "error" and "helpers.losses is not available in this lab" in row.seen


def test_a_file_beside_the_notebook_never_shadows_a_library(judged, tmp_path):
    (tmp_path / "torch.py").write_text("raise RuntimeError('mine')")
    (tmp_path / "mine.py").write_text("TWO = 2.0")
    judgement = judged("from mine import TWO\nimport torch\ndef double(values):\n    return values * TWO", AVERAGE)
    assert verdicts(judgement, "double")[:3] == ["correct"] * 3


def test_what_a_later_cell_changes_does_not_count(judged, notebook):
    made = notebook(DOUBLE, AVERAGE)
    made.cells.append(nbformat.v4.new_code_cell("def double(values):\n    return 0"))
    assert points(judged(made)) == 7


DRAWING = """import random, numpy
drawn = []
def draw():
    drawn.append((torch.rand(()).item(), random.random(), numpy.random.rand()))
draw()
def double(values):
    draw()
    return values * 2"""


def test_random_numbers_are_seeded_so_that_a_regrade_gives_the_same(judged, mini, all_outputs_kept):
    """The notebook draws from seed 0, and each case from a seed of its own."""
    average = AVERAGE + "\nprint(drawn)"
    judgement = judged(DRAWING, average)
    printed = next(cell for cell in judgement.notebook.cells if cell.id == "Average").outputs[0].text
    seeds = [0] + [seed_of(case) for case in mini.exercises["double"].cases]
    expected = []
    for seed in seeds:
        torch.manual_seed(seed)
        random.seed(seed)
        numpy.random.seed(seed)
        expected.append((torch.rand(()).item(), random.random(), numpy.random.rand()))
    # The last case validates: it calls three times, and the second and third call draw on.
    expected += [(torch.rand(()).item(), random.random(), numpy.random.rand()) for _ in range(2)]
    assert ast.literal_eval(printed) == expected and len(set(seeds)) == 5
