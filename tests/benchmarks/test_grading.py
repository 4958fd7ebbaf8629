"""The grading benchmark: its stock tests ask the same as the judge, and its class is honest."""

import ast
import json

from benchmarks.grading import answers_of, stock_notebook, test_source
from helpers.checks.compare import mismatch
from helpers.checks.encoding import decode
from helpers.grader.course.forbidden_imports import imports_of
from helpers.grader.demo import misconception_cell

test_source.__test__ = False  # a source of tests, not one itself


def passed(lab, exercise, source):
    """The points that the stock test cells of an exercise give to an answer."""
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in stock_notebook(lab).cells if "nbgrader" in cell.metadata}
    names, points = dict(lab.reference), 0.0
    exec(source, names)
    for case in lab.exercises[exercise].cases:
        cell = cells[f"test_{exercise}_{case.name}"]
        try:
            exec(cell.source, names)
        except AssertionError:
            continue
        points += cell.metadata.nbgrader.points
    return points


def test_stock_tests_give_the_reference_full_marks_and_a_mistake_what_the_judge_gives(mini):
    for name, exercise in mini.exercises.items():
        assert abs(passed(mini, name, "") - exercise.points) < 1e-9
    wrong = misconception_cell(mini, "double", "squared")  # wrong on every value, and it validates nothing
    assert passed(mini, "double", wrong) == 0
    unchecked = "def double(values):\n    return values * 2.0"
    assert abs(passed(mini, "double", unchecked) - 3.0) < 1e-9  # validation is a quarter of the four points


def test_a_stock_test_holds_the_judges_inputs_and_values_as_json(mini):
    for name, exercise in mini.exercises.items():
        for case in exercise.cases:
            tree = ast.parse(test_source(mini, case))
            texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
            held = json.loads(max((text for text in texts if isinstance(text, str)), key=len))
            expected = mini.key(name)[case.name].expected
            assert {label: mismatch(expected[label], decode(value)) for label, value in held["right"].items()} == {
                label: None for label in expected
            }
            assert (
                mismatch(list(case.as_called().arguments), [decode(argument) for argument in held["arguments"]]) is None
            )
            used = ("compare.differs", "encoding.decode", "observers.observe")
            modules = {"helpers.checks." + part for name in used for part in (name, name.split(".")[0])}
            assert imports_of(ast.unparse(tree)) == modules | {"helpers", "helpers.checks"}


def test_the_class_is_right_or_has_one_known_mistake(mini):
    right = answers_of(mini, 0)
    differing = [[name for name in right if answers_of(mini, student)[name] != right[name]] for student in range(6)]
    assert differing[0] == differing[3] == [] and all(len(names) == 1 for names in differing[1:3] + differing[4:])
