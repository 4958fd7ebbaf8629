"""Relations: what holds between wrong values and the right ones, whatever the exercise.

A constant factor, a sum in place of a mean, an axis exchanged: known mistakes cannot foresee every answer, but the
numbers often say what went wrong. `find.related` claims a relation when at least two inputs bear it out, when it
explains more than half of what failed, when it would not have changed the values that are right, and when no other
relation explains the same. The visible check and the judge both use it; a relation counts like a known mistake.
"""
