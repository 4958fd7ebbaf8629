"""What an answer may have done with its inputs: exchanged two, left one out of account, worked along another dimension.

Such an answer gives what the reference gives on changed inputs. The grader calls the reference on them; for the visible
check, a release stores what comes of it. `changes_of` lists the changes by the names of a function's arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import combinations
from typing import Any

from helpers.checks.optional_torch import torch

Arguments = Sequence[Any]


@dataclass(frozen=True)
class InputChange:
    """One change.

    Attributes:
        name: stands in `grades.csv` as the misconception.
        diagnosis: what to tell the student.
        family: changes of one family that fit equally well are one finding, the first of them.
        change: from the arguments of a call to the changed ones; None where it does not apply.
        undo: from a value on changed inputs to what the answer gives.
    """

    name: str
    diagnosis: str
    family: str
    change: Callable[[Arguments], list[Any] | None]
    undo: Callable[[Any], Any] = lambda value: value


@lru_cache(maxsize=64)
def changes_of(names: tuple[str, ...]) -> tuple[InputChange, ...]:
    """Return every change of inputs that is tried for an answer with arguments of these names."""
    return (*_exchanged(names), *_left_out(names), *_dimensions(), *_rows(), *_shifted(names))


def _exchanged(names: Sequence[str]) -> Iterator[InputChange]:
    for one, two in combinations(range(len(names)), 2):
        yield InputChange(
            f"{names[one]} and {names[two]} exchanged",
            f"What comes back would be right if `{names[one]}` and `{names[two]}` were exchanged.",
            "exchanged",
            partial(_exchange, one, two),
        )


def _exchange(one: int, two: int, arguments: Arguments) -> list[Any] | None:
    first, second = arguments[one], arguments[two]
    alike = (
        first.shape == second.shape and first.dtype == second.dtype
        if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor)
        else type(first) is type(second) and isinstance(first, (int, float, str))
    )
    changed = list(arguments)
    changed[one], changed[two] = second, first
    return changed if alike else None


def _left_out(names: Sequence[str]) -> Iterator[InputChange]:
    for place, name in enumerate(names):
        yield InputChange(
            f"{name} ignored",
            f"`{name}` has no effect: what comes back is right for an input in which it changes nothing.",
            f"{name} ignored",
            partial(_neutral, place),
        )
        yield InputChange(
            f"{name} as zeros",
            f"`{name}` has no effect: what comes back is right for an input in which it is 0.",
            f"{name} ignored",
            partial(_zero, place),
        )


def _neutral(place: int, arguments: Arguments) -> list[Any] | None:
    """Return the arguments with a factor of 1, a mask that counts everything, or labels without any that is ignored."""
    given = arguments[place]
    if isinstance(given, float):
        return _with(arguments, place, 1.0)
    if not isinstance(given, torch.Tensor):
        return None
    if given.dtype == torch.bool:
        return _with(arguments, place, torch.ones_like(given))
    if given.dtype == torch.long and bool((given == -100).any()):
        return _with(arguments, place, given.clamp(min=0))
    return _with(arguments, place, torch.ones_like(given)) if given.is_floating_point() else None


def _zero(place: int, arguments: Arguments) -> list[Any] | None:
    given = arguments[place]
    if isinstance(given, float):
        return _with(arguments, place, 0.0)
    return (
        _with(arguments, place, torch.zeros_like(given))
        if isinstance(given, torch.Tensor) and given.is_floating_point()
        else None
    )


def _with(arguments: Arguments, place: int, value: Any) -> list[Any]:
    return [*arguments[:place], value, *arguments[place + 1 :]]


def _dimensions() -> Iterator[InputChange]:
    for one, two, which in ((0, 1, "first two"), (-1, -2, "last two")):
        transpose = partial(_transpose, one, two)
        yield InputChange(
            f"along the other of the {which} dimensions",
            f"Your function works along the wrong dimension: along the other of the {which}. Look at dim=.",
            "dimension",
            partial(_all_transposed, transpose),
            transpose,
        )


def _transpose(one: int, two: int, value: Any) -> Any:
    if isinstance(value, dict):
        return {label: _transpose(one, two, item) for label, item in value.items()}
    is_matrix = isinstance(value, torch.Tensor) and value.dim() > 1
    return value.transpose(one, two) if is_matrix else value


def _all_transposed(transpose: Callable[[Any], Any], arguments: Arguments) -> list[Any] | None:
    changed = [transpose(item) for item in arguments]
    same = all(one is other for one, other in zip(arguments, changed, strict=True))
    return None if same else [item.contiguous() if isinstance(item, torch.Tensor) else item for item in changed]


def _rows() -> Iterator[InputChange]:
    for which, part in (("first", slice(0, 1)), ("last", slice(-1, None))):
        yield InputChange(
            f"only the {which} row",
            f"Only the {which} row of the inputs counts in what comes back.",
            "row",
            partial(_some_rows, part),
        )


def _some_rows(part: slice, arguments: Arguments) -> list[Any] | None:
    sizes = {item.shape[0] for item in arguments if isinstance(item, torch.Tensor) and item.dim() > 1}
    if len(sizes) != 1 or sizes == {1}:
        return None
    (rows,) = sizes
    return [item[part] if isinstance(item, torch.Tensor) and item.dim() and len(item) == rows else item
            for item in arguments]  # fmt: skip


def _shifted(names: Sequence[str]) -> Iterator[InputChange]:
    for place, name in enumerate(names):
        for by, where in ((-1, "one place too early"), (1, "one place too late")):
            yield InputChange(
                f"{name} {where}",
                f"`{name}` is read {where}: each of its entries is compared with a neighbour's place.",
                "shifted",
                partial(_rolled, place, by),
            )


def _rolled(place: int, by: int, arguments: Arguments) -> list[Any] | None:
    given = arguments[place]
    if not isinstance(given, torch.Tensor) or given.dim() < 1 or given.is_floating_point():
        return None
    return _with(arguments, place, given.roll(by, -1))
