"""Every compiled pattern of the package takes linear time, whatever text it is given.

Each pattern is fed growing repetitions of its own alphabet: of the characters it names, of pairs of them, of a text
that it matches, and of what its repetitions repeat, after a text that leads there. Processor time is compared, not wall
time.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import signal
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import helpers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the parser of patterns has no public name
    from re import _constants as tokens
    from re import _parser as parser

SIZE, GROWTH = 2_000, 4
MOST_GROWTH = 9  # linear time grows by 4 and quadratic by 16
FEW_SECONDS = 0.004  # below this, two measurements say nothing
METHODS = ("search", "match", "fullmatch")
CATEGORIES = {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a", "CATEGORY_NOT_SPACE": "a",
              "CATEGORY_NOT_DIGIT": "a", "CATEGORY_NOT_WORD": "-"}  # fmt: skip


class TooSlow(Exception):
    """A match that took far longer than a linear one could."""


# ------------------------------------------------------------------------------------------------ texts for a pattern


def sample(tree: Iterable, alphabet: set[str]) -> str:
    """Return a text that the parsed pattern matches, and add the characters that it names to `alphabet`."""
    return "".join(_sample_of(kind, details, alphabet) for kind, details in tree)


def _sample_of(kind, details, alphabet: set[str]) -> str:
    if kind is tokens.LITERAL:
        alphabet.add(chr(details))
        return chr(details)
    if kind is tokens.IN:
        return _member(details, alphabet)
    if kind in (tokens.ANY, tokens.NOT_LITERAL):
        alphabet.add("a")
        return "a"
    if kind in (tokens.MAX_REPEAT, tokens.MIN_REPEAT, tokens.POSSESSIVE_REPEAT):
        low, high, inner = details
        return sample(inner, alphabet) * max(low, min(2, high))
    if kind is tokens.SUBPATTERN:
        return sample(details[-1], alphabet)
    if kind is tokens.ATOMIC_GROUP:
        return sample(details, alphabet)
    if kind is tokens.BRANCH:
        return [sample(branch, alphabet) for branch in details[1]][0]
    if kind in (tokens.ASSERT, tokens.ASSERT_NOT):
        sample(details[1], alphabet)
    return ""


def _member(members: Iterable, alphabet: set[str]) -> str:
    """Return a character of a set, the last one that it names."""
    found, negated = set(), False
    for kind, details in members:
        negated = negated or kind is tokens.NEGATE
        if kind is tokens.LITERAL:
            found.add(chr(details))
        elif kind is tokens.RANGE:
            found |= {chr(details[0]), chr(details[1])}
        elif kind is tokens.CATEGORY:
            found.add(CATEGORIES[str(details)])
    alphabet |= found
    return next(letter for letter in "aZ1 #\x01" if letter not in found) if negated else sorted(found)[-1]


def pumps(tree: Iterable, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield each repetition in a parsed pattern: a text that leads there, and what is repeated."""
    for kind, details in tree:
        if kind in (tokens.MAX_REPEAT, tokens.MIN_REPEAT, tokens.POSSESSIVE_REPEAT):
            yield before, sample(details[2], set())
            yield from pumps(details[2], before)
        elif kind is tokens.SUBPATTERN:
            yield from pumps(details[-1], before)
        elif kind is tokens.ATOMIC_GROUP:
            yield from pumps(details, before)
        elif kind in (tokens.ASSERT, tokens.ASSERT_NOT):
            yield from pumps(details[1], before)
        elif kind is tokens.BRANCH:
            for branch in details[1]:
                yield from pumps(branch, before)
                yield before, sample(branch, set())
        before += sample([(kind, details)], set())


def texts(pattern: re.Pattern, size: int) -> Iterator[str]:
    """Yield hostile texts of about `size` characters, each ending in what should not match."""
    alphabet: set[str] = set()
    tree = list(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))
    whole = sample(tree, alphabet)
    letters = sorted(alphabet | {" ", "!"})[:24]
    repeated = {("", first + second) for first in letters for second in letters} | set(pumps(tree))
    repeated |= {("", whole[:end]) for end in range(1, min(len(whole), 40) + 1)}
    repeated |= {(whole[:end], letter) for end in range(min(len(whole), 12)) for letter in letters}
    for before, pump in sorted(repeated):
        if pump:
            yield before + pump * (size // len(pump)) + "\x00!"


# ------------------------------------------------------------------------------------------------------- measurement


@contextmanager
def processor_time_limit(seconds: float) -> Iterator[None]:
    """Raise TooSlow where the block takes more processor time than this."""

    def stop(*_: object) -> None:
        raise TooSlow

    earlier = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, earlier)


def seconds_of(pattern: re.Pattern, method: str, text: str, tries: int) -> float:
    """Return the least processor time of one use of the pattern on the text."""
    use = (lambda: pattern.sub("", text)) if method == "search" else lambda: getattr(pattern, method)(text)
    best = float("inf")
    for _ in range(tries):
        start = time.thread_time()
        use()
        best = min(best, time.thread_time() - start)
    return best


def superlinear(pattern: re.Pattern, methods: Iterable[str]) -> list[str]:
    """Return the texts, shortened, on which the pattern takes more than linear time."""
    found = []
    for method in methods:
        for short, long in zip(texts(pattern, SIZE), texts(pattern, SIZE * GROWTH), strict=True):
            try:
                with processor_time_limit(2):
                    slow = seconds_of(pattern, method, long, 1) > FEW_SECONDS and all(
                        seconds_of(pattern, method, long, 3) > MOST_GROWTH * seconds_of(pattern, method, short, 3)
                        for _ in range(3)
                    )
            except TooSlow:
                slow = True
            if slow:
                found.append(f"{method}: {short[:60]!r}")
                break
    return found


# ------------------------------------------------------------------------------------------ the patterns of the package


def module_names() -> list[str]:
    names = [module.name for module in pkgutil.walk_packages(helpers.__path__, "helpers.")]
    return [name for name in names if not name.endswith("__main__")]


def patterns_in(value: object) -> Iterator[re.Pattern]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            yield from patterns_in(item)
    elif isinstance(value, dict):
        for item in (*value, *value.values()):
            yield from patterns_in(item)


def compiled_patterns() -> dict[tuple[str, str, int], re.Pattern]:
    """Return the patterns at the top level of the package's modules, by text, flags and the name that holds them."""
    return {
        (name, pattern.pattern, pattern.flags): pattern
        for module in module_names()
        for name, value in vars(importlib.import_module(module)).items()
        for pattern in patterns_in(value)
        if isinstance(pattern.pattern, str)
    }


SOURCES = {path: path.read_text(encoding="utf-8") for path in Path(helpers.__path__[0]).rglob("*.py")}


def methods_used(name: str) -> set[str]:
    """Return how the package uses the pattern of this name; a pattern in a container, in every way."""
    words = {word for text in SOURCES.values() for word in re.findall(rf"\b{name}\.(\w+)\(", text)}
    used = {"search" if word in ("sub", "subn", "findall", "finditer", "split") else word for word in words}
    return used & set(METHODS) or set(METHODS)


PATTERNS = compiled_patterns()


@pytest.mark.parametrize(("name", "text", "flags"), PATTERNS, ids=[name for name, _, _ in PATTERNS])
def test_a_pattern_takes_linear_time(name, text, flags):
    assert superlinear(PATTERNS[name, text, flags], sorted(methods_used(name))) == []


def test_every_pattern_of_the_package_is_compiled_at_the_top_of_its_module():
    found = []
    for path, text in SOURCES.items():
        tree = ast.parse(text)
        functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Lambda))]
        calls = {node for function in functions for node in ast.walk(function) if isinstance(node, ast.Call)}
        for call in calls:
            target = call.func
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "re":
                if target.attr not in ("escape",):
                    found.append(f"{path.name}:{call.lineno} re.{target.attr}")
    assert sorted(found) == []


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\[Errno (?:2|20)\][^'\"]*['\"]([^'\"]+)", "search"),  # row 43
        (r"[A-Za-z0-9+/\s]+={0,2}\s*", "fullmatch"),  # row 44
        (r"(a+)+b", "match"),
        (r"(-?\d+) =", "search"),
        (r"<<[^>]*>>", "search"),
    ],
)
def test_a_slow_pattern_is_seen(pattern, method):
    assert superlinear(re.compile(pattern), [method])
