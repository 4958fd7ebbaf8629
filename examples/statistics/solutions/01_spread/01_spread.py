# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 01: Spread
#
# Two classes can have the same average and look nothing alike. After this lab you can measure how far values lie from
# their mean, and put several measurements on one scale.
#
# **Time:** about 20 minutes.
#
# **You need:** Python, and arrays of NumPy: arithmetic on whole arrays, and `mean` along an axis.

# %% setup=true
import numpy as np

# %%
from helpers.checks import check, predict, reveal

# %% [markdown]
# ## One number for the spread
#
# The *standard deviation* of a sample is the root of the mean squared distance from the mean. To estimate it from
# $n$ values, divide the sum of the squares by $n - 1$: the mean was computed from the same values, and lies closer to
# them than the true one does.
#
# $$s = \sqrt{\frac{1}{n - 1} \sum_i (x_i - \bar x)^2}$$

# %%
predict("spread_of_ones", "What is the standard deviation of 1, 1, 1, 1?", unit="the unit of the values")

# %% [markdown]
# ## The standard deviation
#
# Write `standard_deviation`. One value says nothing about the spread: raise a `ValueError` for fewer than two.
#
# <details><summary>Hint 1: distances first</summary>
#
# Subtract the mean from all values at once.
#
# </details>
#
# <details><summary>Hint 2: what to divide by</summary>
#
# By `len(values) - 1`. The root comes last.
#
# </details>
#
# <details><summary>Hint 3: in NumPy</summary>
#
# `np.std` divides by $n$ unless you tell it otherwise: look up `ddof`.
#
# </details>


# %% exercise="standard_deviation"
def standard_deviation(values):
    """Return the standard deviation of a sample, a number, dividing by n - 1.

    values: an array of one dimension. Raises ValueError if it has fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"values has {len(values)} value; the spread needs at least two")
    return float(np.sqrt(((values - values.mean()) ** 2).sum() / (len(values) - 1)))


# %% check="standard_deviation" points=3
check(standard_deviation)

# %%
reveal("spread_of_ones", 0)

# %% [markdown]
# ## Standardize columns
#
# Height in centimetres and weight in kilograms cannot be compared. Subtract each column's mean and divide by its
# standard deviation, and both count in standard deviations. A column without spread stays at 0.
#
# <details><summary>Hint 1: one column at a time</summary>
#
# The mean of each column is `table.mean(axis=0)`.
#
# </details>
#
# <details><summary>Hint 2: no loop</summary>
#
# An array of shape `(rows, columns)` minus one of shape `(columns,)` subtracts from each row.
#
# </details>
#
# <details><summary>Hint 3: a column without spread</summary>
#
# Its deviation is 0, and 0 / 0 is NaN. Divide by 1 there: `np.where(deviation == 0, 1, deviation)`.
#
# </details>


# %% exercise="standardize"
def standardize(table):
    """Return a table with mean 0 and standard deviation 1 (dividing by n - 1) in each column.

    table: an array of shape (rows, columns), with at least two rows; it is not changed. A column whose values are all
    equal becomes 0.
    """
    deviation = table.std(axis=0, ddof=1)
    return (table - table.mean(axis=0)) / np.where(deviation == 0, 1, deviation)


# %% check="standardize" points=3
check(standardize)

# %% [markdown]
# ## What to take away
#
# - The standard deviation says how far values lie from their mean, in their own unit; a sample's divides by n − 1.
# - Standardized columns have no unit and can be compared.

# %% [markdown]
# ## Stretch goals
#
# - How much does the standard deviation change if one value is replaced by one far away? Try the median of the absolute
#   distances instead.
