"""The lab's one source: its vocabulary, its solution regions and its ids."""

import pytest

from helpers.grader.course.source import mark_solution, read_source
from helpers.grader.errors import GraderError
from tests.conftest import SOURCE


def read(tmp_path, text):
    path = tmp_path / "00_mini.py"
    path.write_text(text)
    return read_source(path)


def test_ids_follow_from_names_and_sections(tmp_path):
    ids = [cell.id for cell in read(tmp_path, SOURCE).cells]
    assert ids == [
        "a-small-lab-1", "a-small-lab-2", "double-it-1", "double", "check_double", "average-1", "Average",
        "check_Average", "think-1", "answer_why", "think-2",
    ]  # fmt: skip


def test_cells_become_nbgraders(tmp_path):
    cells = {cell.id: cell.metadata.get("nbgrader") for cell in read(tmp_path, SOURCE).cells}
    assert cells["double"].solution and not cells["double"].grade
    assert cells["check_double"].grade and cells["check_double"].locked and cells["check_double"].points == 4
    assert cells["answer_why"].grade and cells["answer_why"].solution and cells["answer_why"].points == 2
    assert cells["a-small-lab-2"] is None


def test_a_function_keeps_signature_and_docstring():
    marked = mark_solution('def f(a,\n      b=2):\n    """Doc\n    string."""\n    # why\n    return a + b', "f")
    lines = marked.split("\n")
    assert lines[3] == '    string."""' and lines[4] == "    ### BEGIN SOLUTION"
    assert lines[5] == "    # why" and lines[-1] == "    ### END SOLUTION"


def test_every_method_of_a_class_is_marked_once():
    methods = ["    def a(self):", "        return 1", "", "    def b(self):", '        """B."""', "        return 2"]
    source = "\n".join(["class C:", '    """C."""', "", *methods])
    marked = mark_solution(source, "C")
    assert marked.count("BEGIN SOLUTION") == marked.count("END SOLUTION") == 2
    assert "        ### BEGIN SOLUTION\n        return 1\n        ### END SOLUTION" in marked


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("setup=true", "set_up=true", "unknown word in the header: set_up"),
        ('check="double" points=4', 'check="double"', "needs points"),
        ("check(double)", "print(double)", "must hold check\\(double\\)"),
        ('exercise="double"', 'exercise="triple"', "one function or class called triple"),
        ('    """Return twice the values: `(N,)` to `(N,)`. ValueError where there are none."""\n', "", "docstring"),
        ('# %% check="Average" points=3\ncheck(Average)\n', "", "look at Average"),
        ('[markdown] answer="why"', 'answer="why"', "cannot be on a code cell"),
        ('check="double"', 'setup=true check="double"', "one role"),
    ],
)
def test_a_broken_source_is_refused_in_words(tmp_path, old, new, says):
    assert old in SOURCE
    with pytest.raises(GraderError, match=says):
        read(tmp_path, SOURCE.replace(old, new))


QUIZ = """
# %% [markdown]
# ## Quiz 1 · Which?
#
# - **A** this
# - **B** that

# %% quiz="which" points=1
which = "B"
"""


def test_a_quiz_becomes_an_answer_and_its_check(tmp_path):
    cells = {cell.id: cell for cell in read(tmp_path, SOURCE + QUIZ).cells}
    assert cells["which"].metadata.nbgrader.solution and 'which = "B"' in cells["which"].source
    assert cells["check_which"].source == 'check("which")' and cells["check_which"].metadata.nbgrader.points == 1
    assert cells["which"].metadata.distillab.quiz == "which"


def test_a_folded_cell_hides_its_source_and_nothing_else(tmp_path):
    folded = read(tmp_path, SOURCE.replace('# %%\nprint("the end")', '# %% fold=true\nprint("the end")')).cells[-1]
    assert folded.metadata.jupyter.source_hidden and folded.source == '# @title Run this cell\nprint("the end")'


def test_a_prediction_is_folded_since_its_widget_shows_the_question(tmp_path):
    asking = 'TWO = ["one", "two"]\npredict("which", "One or two?", choices=TWO)'
    asks, answers = read(tmp_path, f'{SOURCE}\n# %%\n{asking}\n\n# %%\nreveal("which", "one")\n').cells[-2:]
    assert asks.metadata.jupyter.source_hidden
    assert asks.source == f"# @title Predict first: run this cell, and make a guess\n{asking}"
    assert "jupyter" not in answers.metadata


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('quiz="which" points=1', 'quiz="which"', "needs points"),
        ('which = "B"', "which = 2", "the right letter, and nothing else"),
        ('which = "B"', 'what = "B"', "the right letter, and nothing else"),
        ('quiz="which" points=1', 'fold=true quiz="which" points=1', "fold= folds a code cell"),
    ],
)
def test_a_broken_quiz_is_refused_in_words(tmp_path, old, new, says):
    with pytest.raises(GraderError, match=says):
        read(tmp_path, SOURCE + QUIZ.replace(old, new))
