"""A known mistake is named where it explains most of what failed, and nowhere else."""

from helpers.checks.diagnosis import diagnose


def test_one_match_of_many_names_no_cause():
    fitting = {str(number): [] for number in range(13)} | {"chance": ["shifted"]}
    assert diagnose(fitting, correct=()) == {}


def test_a_mistake_that_explains_more_than_half_is_named_for_the_cases_that_it_explains():
    fitting = {"a": ["shifted"], "b": ["shifted"], "c": []}
    assert diagnose(fitting, correct=()) == {"a": "shifted", "b": "shifted"}
    assert diagnose(fitting | {"d": []}, correct=()) == {}


def test_cases_that_are_right_do_not_count_as_unexplained():
    assert diagnose({"a": ["shifted"], "b": [], "c": []}, correct=("b", "c")) == {"a": "shifted"}


def test_the_mistake_that_fits_the_other_cases_too_is_named():
    fitting = {"a": ["always", "first"], "b": ["always"]}
    assert diagnose(fitting, correct=()) == {"a": "always", "b": "always"}
    assert diagnose(fitting, correct=("b",)) == {"a": "first"}
