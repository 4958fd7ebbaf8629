"""Lab 01's visible examples and hidden cases: arrays of NumPy."""

from dataclasses import replace

import numpy as np

from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw

FORBIDDEN = ()

ONE = validation("standard_deviation", "one_value", (np.array([2.0]),), good=(np.array([1.0, 2.0]),), about="one value")


def values(seed, *shape):
    """Values around 5 with one decimal; columns have different spreads."""
    source = np.random.default_rng(seed)
    return np.round(5 + source.normal(size=shape) * (1 + np.arange(shape[-1])), 1)


def with_a_constant_column(table):
    table = table.copy()
    table[:, 1] = 3.0
    return table


def examples():
    table = np.array([[1.0, 10.0], [2.0, 30.0], [4.0, 20.0]])
    return [
        Case("standard_deviation", "four_values", (np.array([1.0, 2.0, 4.0, 5.0]),), about="four values"),
        Case("standard_deviation", "below_zero", (np.array([-3.0, 1.0]),), about="a value below zero"),
        ONE,
        Case("standardize", "two_columns", (table,), about="two columns with different spreads"),
        Case("standardize", "constant_column", (with_a_constant_column(table),), about="a column without spread"),
    ]


def cases(seed):
    draw = Draw(seed)
    return [
        Case("standard_deviation", "several", (values(draw("several"), 9),), about="several values"),
        Case("standard_deviation", "two", (values(draw("two"), 2),), about="two values"),
        Case("standard_deviation", "far_away", (values(draw("far"), 6) + 1000,), about="values far from zero"),
        replace(ONE, fixed="one value is like another"),
        Case("standardize", "columns", (values(draw("columns"), 7, 3),), about="several columns"),
        Case("standardize", "square", (values(draw("square"), 4, 4),), about="as many rows as columns"),
        Case(
            "standardize",
            "constant_column",
            (with_a_constant_column(values(draw("constant"), 5, 3)),),
            about="a column without spread",
        ),
    ]
