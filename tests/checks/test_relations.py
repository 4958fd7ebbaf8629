"""Relations explain wrong values of every exercise, accuse no right one, and are claimed on evidence alone."""

import math

import pytest
import torch

from helpers.checks.encoding import Opaque
from helpers.checks.relations.find import changed_inputs, lacking_properties, related
from helpers.checks.relations.inputs import changes_of
from helpers.checks.relations.kinds import claimable
from helpers.checks.relations.relation import Observed

NAMES = ["logits", "mask", "temperature"]


def loss(logits, mask, temperature):
    """The mean over counted entries of the squares, over the temperature."""
    return (logits**2)[mask].mean() / temperature


def calls():
    generator = torch.Generator().manual_seed(5)
    for rows, width, temperature in ((2, 3, 2.0), (4, 5, 3.5), (3, 2, 1.5)):
        mask = torch.rand(rows, width, generator=generator) < 0.7
        mask[0, 0] = True
        yield torch.randn(rows, width, generator=generator), mask, temperature


def observed(wrong, right=loss):
    items = {}
    for place, arguments in enumerate(calls()):
        value = right(*arguments)
        items[f"case {place}"] = Observed(arguments, {"value": value}, {"value": wrong(value, *arguments)})
    return items


def claimed(wrong, right=loss):
    return {relation.name for relation in related(observed(wrong, right), set(), NAMES).values()}


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (lambda value, *_: -value, "right value times -1"),
        (lambda value, *_: value / math.log(2), "right value times 1/ln 2"),
        (lambda value, *_: value.exp(), "exp of the right value"),
        (lambda value, *_: value**2, "square of the right value"),
        (lambda value, *_: torch.zeros(()), "all zeros"),
        (lambda value, *_: None, "nothing returned"),
        (lambda value, *_: [value], "wrapped"),
        (lambda value, *_: str(value.item()), "text"),
        (lambda value, *_: value / 0, "not finite"),
        (lambda value, *_: Opaque("builtins.module"), "object"),
        (lambda value, logits, mask, temperature: value * temperature, "right value times temperature"),
        (lambda value, logits, mask, temperature: value / temperature**2, "right value times 1/temperature²"),
        (lambda value, logits, mask, temperature: value * mask.sum(), "right value times the counted entries of mask"),
        (lambda value, logits, mask, temperature: value / len(logits), "right value divided by logits.shape[0]"),
    ],
)
def test_a_relation_is_named_in_words(wrong, name):
    assert claimed(wrong) == {name}
    assert name in claimable(NAMES) and claimable(NAMES)[name].endswith(".")


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (lambda value, *_: value.transpose(0, 1), "first two dimensions exchanged"),
        (lambda value, *_: value.roll(1, 0), "shifted on by one"),
        (lambda value, *_: value[:-1], "without the last"),
        (lambda value, *_: value.sum(-1), "summed over the second dimension"),
        (lambda value, *_: value.reshape(-1), "another shape"),
        (lambda value, logits, *_: logits, "logits as it came"),
        (lambda value, *_: value.tolist()[0], None),
    ],
)
def test_relations_of_whole_tensors(wrong, name):
    assert claimed(wrong, lambda logits, mask, temperature: logits * temperature + 1) == ({name} if name else set())


def test_one_input_proves_nothing_and_half_of_what_failed_is_not_most():
    items = observed(lambda value, *_: -value)
    assert related({"case 0": items["case 0"]}, set(), NAMES) == {}
    other = {f"other {place}": item for place, item in enumerate(observed(lambda value, *_: value + 0.37).values())}
    assert related(items | other, set(), NAMES) == {}
    one_less = dict(list(other.items())[:2])
    assert set(related(items | one_less, set(), NAMES)) == set(items)


def test_a_relation_that_would_have_spoilt_right_values_is_not_claimed():
    items = observed(lambda value, *_: -value)
    right = {f"right {place}": item for place, item in enumerate(observed(lambda value, *_: value).values())}
    assert related(items | right, set(right), NAMES) == {}


def test_what_two_relations_explain_alike_is_claimed_only_as_the_constant_that_it_is():
    """With a temperature of 2 everywhere, a factor of 2 and a factor of the temperature look the same."""
    items = {
        f"case {place}": Observed((torch.full((2,), value), None, 2.0), {"value": value}, {"value": 2 * value})
        for place, value in enumerate((0.7, 1.9, 3.1))
    }
    assert {relation.name for relation in related(items, set(), NAMES).values()} == {"right value times 2"}


def test_of_two_arguments_that_explain_the_same_neither_is_blamed():
    items = {
        f"case {place}": Observed((factor, factor), {"value": value}, {"value": factor * value})
        for place, (value, factor) in enumerate(((0.7, 3.0), (1.9, 5.0), (3.1, 1.7)))
    }
    assert related(items, set(), ["alpha", "beta"]) == {}


def test_facts_need_one_case_and_gradients_are_among_them():
    changed = Observed((), {"value": 1.0, "changed inputs": []}, {"value": 1.0, "changed inputs": [0]})
    lost = Observed((), {"value": 1.0, "gradient of x": torch.ones(2)}, {"value": 1.0, "gradient of x": torch.zeros(2)})
    assert [related({"one": item}, set(), [])["one"].name for item in (changed, lost)] == [
        "changed inputs",
        "no gradient",
    ]


def test_one_value_on_every_input_is_seen():
    assert claimed(lambda value, *_: torch.tensor(0.123)) == {"one value on every input"}


def fitting_changes(wrong):
    """For each call, the changes of inputs on which the reference gives what the answer gave."""
    found = {}
    for place, arguments in enumerate(calls()):
        seen = wrong(*arguments)
        for change in changes_of(tuple(NAMES)):
            changed = change.change(arguments)
            if changed is not None and torch.allclose(change.undo(loss(*changed)), seen):
                found.setdefault(f"case {place}", []).append(change.name)
    return found


def test_an_answer_that_leaves_an_input_out_is_explained_by_calling_the_reference_without_it():
    fitting = fitting_changes(lambda logits, mask, temperature: (logits**2).mean() / temperature)
    assert {change.name for change in changed_inputs(fitting, set(), NAMES).values()} == {"mask ignored"}
    assert changed_inputs({"case 0": ["mask ignored"]}, set(), NAMES) == {}, "one input proves nothing"


def test_the_last_resort_is_a_property_that_every_right_value_has():
    rows = torch.tensor([[0.2, 0.8], [0.5, 0.5]])
    items = {str(n): Observed((), {"value": rows}, {"value": rows * (n + 2) + 0.1}) for n in range(3)}
    assert {relation.name for relation in lacking_properties(items, set()).values()} == {"rows do not sum to 1"}
    whole = {str(n): Observed((), {"value": float(n)}, {"value": n + 0.3}) for n in range(2, 5)}
    assert {relation.name for relation in lacking_properties(whole, set()).values()} == {"no whole numbers"}


@pytest.mark.parametrize(
    "odd", [{"a": 1}, [[1, [2]], "x"], [], float("nan"), 10**400, True, {1: [None]}, torch.empty(0)]
)
def test_whatever_comes_back_is_looked_at_without_an_error(odd):
    """A submission can send any plain data; what stops here would cost it all its points."""
    for right in (1.5, torch.ones(2, 3), [1, 2], "text", True, None, {"a": 2.0}):
        items = {str(n): Observed((torch.ones(2, 2), 1.0), {"value": right}, {"value": odd}) for n in range(3)}
        related(items, set(), ["x", "y"])
        lacking_properties(items, set())


def of_numbers(wrong, right=lambda layers, width: 3 * layers * width**2 + width, count=4):
    """What a formula and a wrong one give on some whole numbers."""
    arguments = [(2, 5), (3, 8), (7, 4), (4, 11), (5, 6)][:count]
    return {
        f"case {place}": Observed(given, {"value": right(*given)}, {"value": wrong(*given)})
        for place, given in enumerate(arguments)
    }


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (lambda layers, width: 2 * layers * width**2 + width, "a term with layers and width"),
        (lambda layers, width: 3 * layers * width**3 + width, "a term with layers and width"),
        (lambda layers, width: 3 * layers * width**2, "a term with width"),
        (lambda layers, width: 3 * layers * width**2 + width + 2 * layers, "a term with layers"),
        (lambda layers, width: 3 * layers * width**2 + width + 7 * layers + width**3, None),
        (lambda layers, width: 1e12 * (3 * layers * width**2 + width), "times one constant"),
        (lambda layers, width: 3 * layers * width**2 + width + 17.5, "one constant more"),
    ],
)
def test_a_term_of_a_formula_is_found_by_the_numbers_it_grows_with(wrong, name):
    names = ["layers", "width"]
    found = {relation.name for relation in related(of_numbers(wrong), set(), names).values()}
    assert found == ({name} if name else set())
    assert not name or name in claimable(names)


def test_a_term_needs_four_inputs_and_all_that_failed():
    def wrong(layers, width):
        return 2 * layers * width**2 + width

    names = ["layers", "width"]
    assert related(of_numbers(wrong, count=3), set(), names) == {}
    items = of_numbers(wrong, count=5)
    items["case 4"] = Observed((5, 6), {"value": 546}, {"value": 11.5})
    assert related(items, set(), names) == {}


def test_a_constant_factor_that_right_values_contradict_is_not_claimed():
    items = of_numbers(lambda layers, width: 1.7 * (3 * layers * width**2 + width), count=2)
    right = of_numbers(lambda layers, width: 3 * layers * width**2 + width, count=5)
    passed = {f"right {case}": item for case, item in right.items()}
    assert related(items | passed, set(passed), ["layers", "width"]) == {}
    same = {f"case {place}": Observed((), {"value": 2.0}, {"value": 3.4}) for place in range(3)}
    assert "times one constant" not in {relation.name for relation in related(same, set(), []).values()}


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        ([-1, 0, -1], "no truth value"),
        ([None, False, True], "no truth value"),
        ([False, False, False], "always False"),
        ([False, True, False], "opposite truth value"),
        ("[True, False, True]", "text"),
        ([True, Opaque("builtins.AttributeError"), True], "object"),
    ],
)
def test_lists_of_truth_values(seen, name):
    due = [True, False, True]
    items = {f"case {place}": Observed((), {"value": due}, {"value": seen}) for place in range(2)}
    assert {relation.name for relation in related(items, set(), []).values()} == {name}


def test_what_holds_of_a_number_holds_of_each_in_a_list():
    due = [[0.2, 0.5], [1.5], [0.3, 0.7, 2.0]]
    for wrong, name in ((lambda x: x + 1, "one too many"), (lambda x: -x, "right value times -1")):
        items = {
            str(place): Observed((), {"value": each}, {"value": [wrong(x) for x in each]})
            for place, each in enumerate(due)
        }
        assert {relation.name for relation in related(items, set(), []).values()} == {name}


def test_too_few_requests_are_counted():
    due = {"value": "reply", "calls": [(1, 0.0), (1, 2.0), (1, 4.0)]}
    seen = {"value": "raises an error", "calls": [(1, 0.0)]}
    items = {str(place): Observed((), due, seen) for place in range(3)}
    assert {relation.name for relation in lacking_properties(items, set()).values()} == {"too few calls"}
    assert lacking_properties({"0": items["0"]}, set()) == {}


@pytest.mark.parametrize(
    ("due", "seen", "name"),
    [
        (torch.tensor(0.5), torch.rand(2, 3), "several numbers for one"),
        (torch.rand(2, 3), torch.tensor(0.5), "one number for several"),
        (torch.rand(2), torch.rand(2, 4), "a dimension too many"),
        (torch.rand(2, 5), torch.rand(5), "a dimension too few"),
        (torch.rand(2, 5), torch.rand(2, 6), "one place too many"),
        (torch.rand(2, 5), torch.rand(2, 4), "one place too few"),
        ((torch.rand(2, 5), torch.ones(2)), (torch.rand(2, 4), torch.ones(2)), "one place too few"),
        (torch.rand(2, 5), torch.rand(2, 2), "another size along a dimension"),
        (torch.rand(2, 5), torch.rand(3, 2), None),
        ((0.5, 0.2, 0.7), (0.5, 0.9, 0.1), "the same parts wrong"),
        ((0.5, 0.2, 0.7), (0.1, 0.9, 0.4), None),
    ],
)
def test_a_wrong_whole_is_named(due, seen, name):
    items = {str(place): Observed((), {"value": due}, {"value": seen}) for place in range(2)}
    assert {relation.name for relation in lacking_properties(items, set()).values()} == ({name} if name else set())
    assert lacking_properties({"0": items["0"]}, set()) == {}, "one input proves nothing"
    assert not name or name in claimable([])
