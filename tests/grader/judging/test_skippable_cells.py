"""helpers.grader.judging.skippable_cells: which cells are not run, and that this changes no mark."""

import nbformat
import pytest

from helpers.grader.course.lab import Lab
from helpers.grader.judging.alignment import align
from helpers.grader.judging.judge import judge
from helpers.grader.judging.skippable_cells import skippable_cells
from helpers.grader.limits import Limits
from tests.conftest import AVERAGE, CASES, DOUBLE, MISCONCEPTIONS, SOURCE

DEMONSTRATIONS = [
    "factor = 2.0",
    "start = [1.0, factor]",
    "shown = double(torch.tensor(start))",
    "print(shown)",
    "open('ran', 'w').close()\nprint('the end')",
]
FIRST = "# %% [markdown]\n# ## Double it"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The small lab with demonstrations: two before the first exercise, three at the end."""
    folder = tmp_path_factory.mktemp("course") / "00_mini"
    folder.mkdir()
    before, after = ("".join(f"# %%\n{cell}\n\n" for cell in part) for part in (DEMONSTRATIONS[:2], DEMONSTRATIONS[2:]))
    source = SOURCE.replace(FIRST, before + FIRST).replace('# %%\nprint("the end")\n', after)
    for name, text in (("00_mini", source), ("cases", CASES), ("misconceptions", MISCONCEPTIONS)):
        (folder / f"{name}.py").write_text(text)
    return Lab(folder)


def handed_in(lab, *added, double=DOUBLE, changed=()):
    """The lab with answers; `added` cells at its end, `changed` demonstrations as pairs of old text and new."""
    cells, new = [], dict(changed)
    for cell in lab.notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        text = {"double": double, "Average": AVERAGE}.get(name, new.get(cell.source, cell.source))
        cells.append(
            nbformat.v4.new_code_cell(text) if cell.cell_type == "code" else nbformat.v4.new_markdown_cell(text)
        )
        cells[-1].id = name or cell.id
    return nbformat.v4.new_notebook(cells=[*cells, *(nbformat.v4.new_code_cell(text) for text in added)])


def idle(lab, *added, **options):
    aligned = align(lab, handed_in(lab, *added, **options))
    return [aligned.notebook.cells[place].source for place in sorted(skippable_cells(lab, aligned))]


def test_demonstrations_as_handed_out_are_idle_and_the_set_up_is_not(lab):
    assert idle(lab) == DEMONSTRATIONS


def test_what_a_students_code_reads_runs_and_what_that_needs_too(lab):
    reads = DOUBLE.replace("values + values", "values * start[1]")
    assert idle(lab, double=reads) == DEMONSTRATIONS[2:]
    assert idle(lab, "print(factor)") == DEMONSTRATIONS[1:]


def test_a_name_of_the_answers_own_is_nothing_that_it_needs(lab):
    own = DOUBLE.replace("    return values + values", "    factor = 2\n    return factor * values")
    assert idle(lab, double=own) == DEMONSTRATIONS
    assert idle(lab, "print([factor for factor in range(3)], object().start if False else 0)") == DEMONSTRATIONS


def test_a_class_that_binds_a_name_may_read_the_global_of_that_name_first(lab):
    assert idle(lab, "class Own:\n    factor = factor") == DEMONSTRATIONS[1:]


def test_a_demonstration_that_was_changed_runs(lab):
    changed = [(DEMONSTRATIONS[3], "print(shown, 'and more')")]
    assert idle(lab, changed=changed) == DEMONSTRATIONS[4:]  # it shows `shown`, which is made of the other two


def test_code_that_reaches_names_by_other_means_makes_everything_run(lab):
    for way in ("globals()['factor']", "print(eval('factor'))", "import __main__"):
        assert idle(lab, way) == []
    assert idle(lab, "torch.nn.Linear(1, 1).eval()") == DEMONSTRATIONS  # a method's name only


def test_every_word_counts_where_a_cell_is_not_plain_python(lab):
    assert idle(lab, "%timeit factor") == DEMONSTRATIONS[1:]


def run(lab, folder, kernel_name, notebook):
    return judge(lab, notebook, folder, Limits(cell=3, exercise=2, notebook=60, output=100_000), kernel_name)


def points(judgement):
    return sum(row.points or 0 for row in judgement.rows)


def printed(judgement, place):
    return "".join(output.get("text", output.get("ename", "")) for output in judgement.notebook.cells[place].outputs)


def test_an_idle_cell_says_so_and_leaves_no_trace(lab, tmp_path, kernel_name, all_outputs_kept):
    look = "import os\nprint(os.path.exists('ran'))"
    judgement = run(lab, tmp_path, kernel_name, handed_in(lab, look))
    assert points(judgement) == 7 and printed(judgement, -1) == "False\n"
    assert judgement.notebook.cells[-2].source == DEMONSTRATIONS[4] and "Not run" in printed(judgement, -2)


def test_where_a_cell_ends_in_an_error_all_run_after_all(lab, tmp_path, kernel_name, all_outputs_kept):
    """A cell may need what a demonstration does without a name: here, a file that it leaves."""
    for added, said in (("import os\nassert os.path.exists('ran')\nprint('there')", "there\n"), ("1 / 0", "ZeroDiv")):
        judgement = run(lab, tmp_path, kernel_name, handed_in(lab, added))
        assert points(judgement) == 7 and printed(judgement, -1).startswith(said)
        assert printed(judgement, -2) == "the end\n"
