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
# # Lab 02: Groups
#
# Most questions to a table are about groups: who earns more, who answers how. After this lab you can compare groups by
# a mean, and by shares of their own size.
#
# **Time:** about 20 minutes.
#
# **You need:** lab 01, and Series and DataFrames of pandas: selecting a column, `groupby`.

# %% setup=true
import pandas as pd

# %%
from helpers.checks import check, predict, reveal

# %% [markdown]
# ## A small table
#
# Each row is an animal in a shelter: its kind, its mass in kilograms (not everyone was weighed), and whether it found a
# home.

# %%
animals = pd.DataFrame(
    {
        "kind": ["cat", "dog", "cat", "dog", "dog"],
        "mass": [4.0, 20.0, None, 31.0, 9.0],
        "home": ["yes", "no", "yes", "yes", "no"],
    }
)
animals

# %%
predict("groups_missing", "What is the mean mass of the cats?", choices=["2", "4", "it is missing"])

# %% [markdown]
# ## The mean of each group
#
# Write `group_means`. Missing values are left out; a group without any value has none, so its mean is NaN.
#
# <details><summary>Hint 1: which method</summary>
#
# `table.groupby(by)` makes the groups, and `[value]` selects the column.
#
# </details>
#
# <details><summary>Hint 2: missing values</summary>
#
# `mean` leaves them out by itself. Do not fill them in first.
#
# </details>
#
# <details><summary>Hint 3: the order</summary>
#
# `groupby` sorts the groups by label, and that is what you return.
#
# </details>


# %% exercise="group_means"
def group_means(table, by, value):
    """Return the mean of a column in each group, as a Series whose index holds the groups, sorted.

    table: a DataFrame, which is not changed. by: the column that makes the groups. value: the column of numbers.
    Missing values are left out. Raises ValueError if the table has no such columns.
    """
    for column in (by, value):
        if column not in table.columns:
            raise ValueError(f"the table has no column {column!r}")
    return table.groupby(by)[value].mean()


# %% check="group_means" points=3
check(group_means)

# %%
reveal("groups_missing", "4")
group_means(animals, "kind", "mass")

# %% [markdown]
# ## Shares
#
# Three dogs and two cats: to compare how many found a home, divide by the size of the group. Write `shares`.
#
# <details><summary>Hint 1: count first</summary>
#
# `pd.crosstab(table[rows], table[columns])` counts every combination, with 0 where there is none.
#
# </details>
#
# <details><summary>Hint 2: what to divide by</summary>
#
# By the total of each row: `counts.sum(axis=1)`.
#
# </details>
#
# <details><summary>Hint 3: dividing rows</summary>
#
# `counts / totals` would look for columns called like the groups. Use `counts.div(totals, axis=0)`.
#
# </details>


# %% exercise="shares"
def shares(table, rows, columns):
    """Return how the values of one column are spread within each group, as a DataFrame of shares.

    table: a DataFrame. rows: the column that makes the groups, one row each. columns: the column whose values become
    columns. Every row adds up to 1; combinations that do not occur are 0.
    """
    counts = pd.crosstab(table[rows], table[columns])
    return counts.div(counts.sum(axis=1), axis=0)


# %% check="shares" points=3
check(shares)

# %%
shares(animals, "kind", "home")

# %% [markdown]
# ## What to take away
#
# - Compare groups of different sizes by means and shares, never by totals.
# - Know what your tool does with missing values before you trust a mean.

# %% [markdown]
# ## Stretch goals
#
# - Add to `group_means` how many values each mean rests on.
