"""What a lab's `cases.py` and `misconceptions.py` consist of: cases, each one call to an answer, and known mistakes.

Hidden inputs are drawn anew for each grading run, so that inputs that leak are worth nothing in the next run:
`cases(seed)` draws them from the run's secret seed through a `Draw`. Cases whose inputs carry their meaning say why
they are `fixed`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

# Whether each call of a hidden validation case has bad input; every order has both kinds.
ORDERS = tuple(order for order in itertools.product((False, True), repeat=3) if any(order) and not all(order))
VALIDATION_SHARE = 0.25  # of an exercise's points, if it has to validate its input


@dataclass(frozen=True)
class Case:
    """One call to an answer, and how closely what is observed must agree with the reference.

    Attributes:
        exercise: the answer's name.
        name: the case's own name, unique in its exercise.
        arguments: passed by position.
        observe: the name of an observer of `helpers.checks.observers`.
        weight: the case's share among the exercise's cases of its kind, validating or not.
        absolute, relative: the tolerance is absolute + relative · |expected|.
        about: tells a student what this case varies, without numbers.
        options: the observer's.
        fixed: why the inputs are the same in every run; empty if they are drawn.
        seed: the run's secret seed, which a `Lab` fills in for hidden cases; examples have none.
    """

    exercise: str
    name: str
    arguments: tuple[Any, ...]
    observe: str = field(default="value", kw_only=True)
    weight: float = field(default=1.0, kw_only=True)
    absolute: float = field(default=1e-5, kw_only=True)
    relative: float = field(default=1e-4, kw_only=True)
    about: str = field(default="", kw_only=True)
    options: dict[str, Any] = field(default_factory=dict, kw_only=True)
    fixed: str = field(default="", kw_only=True)
    seed: int | None = field(default=None, kw_only=True, repr=False)

    @property
    def is_validation(self) -> bool:
        return self.observe == "validation"

    def as_called(self) -> Case:
        """Return the case as it is sent to a kernel, and as the reference is called on it.

        A hidden validation case becomes calls with good and bad input in an order that is drawn from the seed. Nothing
        in the kernel says which is which, so only an answer that looks at its input can know.
        """
        if not self.is_validation or self.seed is None:
            return self
        good, bad = (
            (self.options.get("good_construct"), self.options["good"]),
            (self.options.get("construct"), self.arguments),
        )
        order = random.Random(f"order/{self.seed}/{self.exercise}/{self.name}").choice(ORDERS)
        calls = [bad if is_bad else good for is_bad in order]
        options = {"calls": calls, "names": self.options.get("names", [])}
        return replace(self, observe="mixed_validation", arguments=(), options=options)


def validation(
    exercise: str,
    name: str,
    arguments: tuple[Any, ...],
    *,
    good: tuple[Any, ...],
    construct: tuple[Any, ...] | None = None,
    good_construct: tuple[Any, ...] | None = None,
    weight: float = 1.0,
    about: str = "",
) -> Case:
    """Return a case with bad input: a call with `good` must return, then one with `arguments` must raise ValueError.

    For a class, `construct` and `good_construct` are the constructor's arguments, bad and good.
    """
    options: dict[str, Any] = {"good": good}
    if construct is not None or good_construct is not None:
        options |= {"construct": construct or (), "good_construct": good_construct or ()}
    return Case(
        exercise, f"validation_{name}", arguments, observe="validation", weight=weight, about=about, options=options
    )


def shares(cases: Iterable[Case]) -> dict[str, float]:
    """Return each case's share of one exercise's points, by name; the shares add up to 1.

    Validation cases together count for a quarter, however many there are. Raises ValueError if there are no others.
    """
    cases = list(cases)
    checked = sum(case.weight for case in cases if case.is_validation)
    computed = sum(case.weight for case in cases if not case.is_validation)
    if not computed:
        raise ValueError("an exercise needs a case that judges a value")
    for_validation = VALIDATION_SHARE if checked else 0.0
    return {
        case.name: (for_validation * case.weight / checked if checked else 0.0)
        if case.is_validation
        else (1 - for_validation) * case.weight / computed
        for case in cases
    }


@dataclass(frozen=True)
class Misconception:
    """A wrong implementation that people really write, what to tell them, and the section of the lab to read again.

    Of a quiz, the implementation is the wrong letter.
    """

    exercise: str
    name: str
    diagnosis: str
    read: str
    implementation: Callable[..., Any] | str


def misconception(exercise: str, diagnosis: str, *, read: str) -> Callable[[Callable], Callable]:
    """Mark a function or class as a misconception about `exercise`, with the name of the function or class."""

    def mark(implementation: Callable) -> Callable:
        implementation.misconception = Misconception(  # type: ignore[attr-defined]
            exercise, implementation.__name__, diagnosis, read, implementation
        )
        return implementation

    return mark
