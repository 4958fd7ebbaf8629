"""Lab 02's visible examples and hidden cases: tables of pandas."""

from dataclasses import replace

import numpy as np
import pandas as pd

from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw

FORBIDDEN = ()

SMALL = pd.DataFrame(
    {
        "kind": ["cat", "dog", "cat", "dog", "dog"],
        "mass": [4.0, 20.0, None, 31.0, 9.0],
        "home": ["yes", "no", "yes", "yes", "no"],
    }
)
UNKNOWN = validation(
    "group_means", "unknown", (SMALL, "kind", "size"), good=(SMALL, "kind", "mass"), about="a column that is not there"
)


def table(seed, rows=12, missing=0):
    """A table with three groups of different sizes, in random order."""
    source = np.random.default_rng(seed)
    kinds = source.permutation([*"aab", *source.choice(list("abbbcc"), rows - 3)])
    mass = np.round(source.uniform(1, 9, rows), 1)
    mass[source.choice(rows, missing, replace=False)] = np.nan
    return pd.DataFrame({"kind": kinds, "mass": mass, "home": source.choice(["no", "yes", "yes"], rows)})


def examples():
    return [
        Case("group_means", "small", (SMALL, "kind", "mass"), about="two groups, one value missing"),
        Case("group_means", "other_columns", (SMALL, "home", "mass"), about="other columns"),
        UNKNOWN,
        Case("shares", "small", (SMALL, "kind", "home"), about="two groups"),
        Case("shares", "exchanged", (SMALL, "home", "kind"), about="rows and columns exchanged"),
    ]


def cases(seed):
    draw = Draw(seed)
    other = table(draw("index")).set_index(pd.Index(range(30, 42)))
    return [
        Case("group_means", "several", (table(draw("several")), "kind", "mass"), about="several groups"),
        Case("group_means", "missing", (table(draw("missing"), 14, 4), "kind", "mass"), about="missing values"),
        Case("group_means", "other_index", (other, "home", "mass"), about="rows with other labels"),
        replace(UNKNOWN, fixed="the column is missing whatever the numbers"),
        Case("shares", "several", (table(draw("shares")), "kind", "home"), about="several groups"),
        Case("shares", "exchanged", (table(draw("exchanged")), "home", "kind"), about="rows and columns exchanged"),
    ]
