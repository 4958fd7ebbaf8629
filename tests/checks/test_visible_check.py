"""The visible check: numbers, a likely cause, the misconception's name, readable as HTML and as plain text."""

import sys
import types

import pytest
import torch

from helpers.checks.encoding import encode
from helpers.checks.solutions import called_by
from helpers.checks.visible_check import CheckResult, check, check_examples
from helpers.grader.release import checks_text


def example(expected=2.0, about="two ones", observe="value", arguments=None, misconceptions=(), **options):
    label = "raised" if observe == "validation" else "value"
    return {
        "name": "one",
        "about": about,
        "observe": observe,
        "options": encode({"names": ["values"], **options}),
        "arguments": [encode(argument) for argument in arguments or (torch.ones(2),)],
        "expected": {label: encode(expected)},
        "absolute": 1e-5,
        "relative": 1e-4,
        "misconceptions": list(misconceptions),
    }


SQUARED = {"diagnosis": "You square <them>.", "read": "Sums", "values": {"value": 4.0}}


def checked(answer, *examples, forbidden=()):
    answer.__name__ = "total"
    return check_examples(answer, {"lab": "00_mini", "forbidden": list(forbidden), "examples": examples or [example()]})


def test_a_right_answer_passes_and_is_true():
    result = checked(lambda values: values.sum())
    assert result.passed and result and "all right, 1 of 1" in repr(result)


def test_a_wrong_answer_shows_call_value_and_expectation():
    result = checked(lambda values: values.sum() * 3)
    text = repr(result)
    assert not result
    for part in ("total(values)", "values = [1.0, 1.0]", "Came back:", "6", "Expected:", "2"):
        assert part in text


def test_a_relation_is_named_where_two_inputs_bear_it_out():
    pairs = [(torch.tensor([1.0, 2.0]), torch.tensor([5.0, 2.5])), (torch.tensor([3.0, 7.0]), torch.tensor([1.5, 9.0]))]
    two = [example(right, arguments=(given,)) for given, right in pairs]
    by_input = {given: right for given, right in pairs}
    doubled = checked(lambda values: 2 * next(right for given, right in by_input.items() if given.equal(values)), *two)
    assert "2 times the right value: a factor of 2 too much" in repr(doubled)
    assert "times the right value" not in repr(checked(lambda values: values.sum() * 2)), "one input proves nothing"


def test_a_known_mistake_is_named_with_the_section_to_read():
    finding = checked(lambda values: values.sum() ** 2, example(misconceptions=[SQUARED])).findings[0]
    assert finding.cause == "You square <them>." and "“Sums”" in finding.next_step


def test_of_two_mistakes_with_the_same_value_the_one_that_fits_the_other_examples_is_named():
    always = {"diagnosis": "You say yes to everything.", "read": "Sums", "values": {"value": True}}
    first = {"diagnosis": "You look at the first number only.", "read": "Sums", "values": {"value": True}}
    only_second = example(expected=False, arguments=(torch.tensor([1.0, -1.0]),), misconceptions=[always, first])
    both = example(expected=False, arguments=(torch.tensor([-1.0, -1.0]),), misconceptions=[always])
    assert checked(lambda values: bool(values[0] > 0), only_second, both).findings[0].cause == first["diagnosis"]
    assert checked(lambda values: True, only_second, both).findings[0].cause == always["diagnosis"]


def test_html_is_escaped_and_labelled():
    html = checked(lambda values: values.sum() ** 2, example(misconceptions=[SQUARED]))._repr_html_()
    assert "You square &lt;them&gt;." in html and "<them>" not in html
    assert 'role="region"' in html and 'scope="row"' in html


def test_the_stub_is_not_a_failure():
    def total(values):
        raise NotImplementedError("total is not written yet")

    result = checked(total)
    assert not result.findings and "not written yet" in result.message


def test_a_name_used_as_variable_and_function_is_explained():
    def total(values):
        softmax = softmax(values)  # noqa: F821
        return softmax

    assert "also the name of a function" in checked(total).findings[0].cause


def test_a_variable_without_a_value_is_explained():
    def total(values):
        for value in values:
            added += value  # noqa: F821, F841
        return added

    finding = checked(total).findings[0]
    assert "read before it has a value" in finding.cause and "Set the variable before the loop" in finding.next_step


def test_a_call_inside_the_answer_with_wrong_arguments_is_not_blamed_on_its_first_line():
    def inside(values):
        return torch.log(2.0) * values.sum()

    def of_the_answer():
        return None

    assert "On this line a function is called" in checked(inside).findings[0].cause
    assert "does not take the arguments that the exercise names" in checked(of_the_answer).findings[0].cause


def test_an_earlier_exercise_that_is_not_written_is_named():
    def total(values):
        raise NotImplementedError("softmax is not written yet")

    finding = checked(total).findings[0]
    assert finding.cause == "Your answer calls softmax, which is not written yet." and not finding.passed


def test_an_error_shows_its_line():
    def total(values):
        return values.view(-1).sum()

    finding = checked(total, example(arguments=(torch.ones(4, 3)[:, :2],))).findings[0]
    assert "return values.view(-1).sum()" in finding.came_back and "reshape" in finding.next_step


def test_missing_validation_is_said():
    finding = checked(abs_of, example("ValueError", observe="validation", arguments=(-1,), good=[1])).findings[0]
    assert "raise a ValueError" in finding.cause and "nothing" in finding.came_back


def abs_of(values):
    return abs(values)


def test_a_changed_input_is_said():
    shown = example()
    shown["expected"] = {"value": 2.0, "changed inputs": encode([])}

    def total(values):
        result = values.sum()
        values.zero_()
        return result

    assert "changes an argument" in checked(total, shown).findings[0].cause


@pytest.mark.parametrize("how", ["re-exported", "called"])
def test_a_borrowed_answer_is_refused(how, monkeypatch):
    library = types.ModuleType("helpers.library")
    exec("def total(values):\n    return values.sum()", library.__dict__)
    monkeypatch.setitem(sys.modules, "helpers.library", library)
    space = {"borrowed": library.total, "__name__": "__main__"}
    exec("def total(values):\n    return borrowed(values)", space)
    answer = library.total if how == "re-exported" else space["total"]
    assert "comes from helpers.library" in checked(answer, forbidden=["helpers.library"]).message


def test_an_unknown_name_lists_the_exercises():
    def no_such_exercise():
        return None

    result = check(no_such_exercise)
    assert not result and "There is no exercise with this name" in result.message


def test_what_is_no_function_is_refused_in_words():
    with pytest.raises(TypeError, match="the function or class itself"):
        check(3.0)


def test_a_check_leaves_random_numbers_as_they_were():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    checked(lambda values: torch.rand(1) + values.sum())
    assert torch.equal(torch.rand(1), expected)


def test_an_empty_result_is_not_passed():
    assert not CheckResult("total").passed


def test_the_files_hold_numbers_and_no_code(mini):
    text = checks_text(mini)
    assert "squared" not in text and "def " not in text and "You square the values" in text


def test_an_answer_that_calls_a_wrong_one_is_told_to_correct_that_first(monkeypatch):
    space = {"torch": torch}
    exec("def half(values):\n    return values.sum()", space)
    exec("def total(values):\n    return 2 * half(values)", space)
    exec("class Total:\n    def __init__(self): ...\n    def forward(self, values): return half(values)", space)
    known = {"lab": "00_mini", "forbidden": []}
    exercises = {
        "half": known | {"examples": [example(expected=1.0)]},
        "total": known | {"examples": [example(expected=2.0)]},
    }
    monkeypatch.setattr("helpers.checks.visible_check._exercises", lambda: exercises)
    result = check(space["total"])
    assert not result.passed and "total calls half, which is not right yet. Correct half first" in result.message
    exec("def half(values):\n    return values.sum() / 2", space)
    assert check(space["total"]).passed
    assert list(called_by(space["Total"])) == ["half"]


def test_a_missing_return_is_named():
    def entropy(probs):
        torch.xlogy(probs, probs).sum(dim=-1)

    assert "Your function returns None." in repr(check(entropy))
