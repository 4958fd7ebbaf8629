"""Common mistakes in lab 02."""

import pandas as pd

from helpers.grader.course.cases import misconception

MEANS, SHARES = "The mean of each group", "Shares"


@misconception("group_means", "You fill missing values with 0, which pulls the means down. Leave them out.", read=MEANS)
def missing_as_zero(table, by, value):
    if {by, value} - set(table.columns):
        raise ValueError("columns")
    return table.fillna({value: 0}).groupby(by)[value].mean()


@misconception("group_means", "These are totals. Divide by the size of the group: mean() instead of sum().", read=MEANS)
def totals(table, by, value):
    if {by, value} - set(table.columns):
        raise ValueError("columns")
    return table.groupby(by)[value].sum()


@misconception(
    "group_means",
    "You return a DataFrame. Select the column after groupby with [value], which gives a Series.",
    read=MEANS,
)
def frame_returned(table, by, value):
    if {by, value} - set(table.columns):
        raise ValueError("columns")
    return table.groupby(by)[[value]].mean()


@misconception("shares", "These are counts. Divide each row by its total.", read=SHARES)
def counts(table, rows, columns):
    return pd.crosstab(table[rows], table[columns])


@misconception(
    "shares", "You divide by the number of all rows of the table. Divide by the size of the group.", read=SHARES
)
def of_the_whole_table(table, rows, columns):
    return pd.crosstab(table[rows], table[columns], normalize="all")


@misconception("shares", "Your columns add up to 1. Each row should: divide by the total of the row.", read=SHARES)
def of_the_columns(table, rows, columns):
    return pd.crosstab(table[rows], table[columns], normalize="columns")
