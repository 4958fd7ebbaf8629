"""Common mistakes in lab 01."""

import numpy as np

from helpers.grader.course.cases import misconception

DEVIATION, COLUMNS = "The standard deviation", "Standardize columns"


@misconception(
    "standard_deviation", "You divide by n. A sample's standard deviation divides by n - 1 (ddof=1).", read=DEVIATION
)
def divided_by_n(values):
    if len(values) < 2:
        raise ValueError("values")
    return float(np.std(values))


@misconception("standard_deviation", "This is the variance: the square root is missing.", read=DEVIATION)
def variance(values):
    if len(values) < 2:
        raise ValueError("values")
    return float(np.var(values, ddof=1))


@misconception(
    "standard_deviation",
    "You average the distances themselves. Square them, and take the root at the end.",
    read=DEVIATION,
)
def mean_distance(values):
    if len(values) < 2:
        raise ValueError("values")
    return float(np.abs(values - values.mean()).mean())


@misconception(
    "standardize",
    "You use one mean and one standard deviation for the whole table. Compute them for each column: axis=0.",
    read=COLUMNS,
)
def whole_table(table):
    return (table - table.mean()) / table.std(ddof=1)


@misconception("standardize", "You divide by n in the standard deviation. Divide by n - 1 (ddof=1).", read=COLUMNS)
def columns_divided_by_n(table):
    deviation = table.std(axis=0)
    return (table - table.mean(axis=0)) / np.where(deviation == 0, 1, deviation)


@misconception("standardize", "You standardize rows. Columns hold the measurements: axis=0.", read=COLUMNS)
def rows_standardized(table):
    deviation = table.std(axis=1, ddof=1, keepdims=True)
    return (table - table.mean(axis=1, keepdims=True)) / np.where(deviation == 0, 1, deviation)


@misconception("standardize", "You subtract the mean, but never divide by the standard deviation.", read=COLUMNS)
def only_centred(table):
    return table - table.mean(axis=0)
