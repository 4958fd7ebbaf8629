"""The written answers to one question, in groups: those that read the same are one group, and are marked once.

Two answers are the same if only white space and Unicode's ways to write a character differ. Nearly the same are those
that share `MIN_SHARE` of their words, as difflib counts. One word can turn the meaning round, so these are only
proposed, with the differences.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

MAX_CHARACTERS = 20_000  # of an answer that are shown and compared
MIN_SHARE = 0.85
MAX_PROPOSED = 20  # groups that are nearly the same as another
MAX_WORDS = 600  # of an answer that is compared with others: the time grows with their square, and students choose them
KEPT = 20_000  # answers whose normal form is remembered: a class of a thousand with twenty questions

_WORDS = re.compile(r"\w+|[^\w\s]")
_PIECES = re.compile(r"\w+|[^\w\s]|\s+")
_INVISIBLE = {"Cc", "Cf", "Cs", "Co"}  # controls, formats such as text direction, half characters, private use


@dataclass(frozen=True)
class AnswerGroup:
    """Answers that read the same.

    Attributes:
        id: digest of what they say.
        text: the answer in the form that most of them have.
        students: whose answers these are, sorted.
    """

    id: str
    text: str
    students: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """Some text of a near-identical answer: "same", only in the "other" answer, or only in the group's "own"."""

    kind: str
    text: str


@dataclass(frozen=True)
class NearGroup:
    """A group whose answer is nearly the same as another's, with the differences."""

    group: AnswerGroup
    share: float
    pieces: tuple[Piece, ...]


@lru_cache(maxsize=KEPT)
def visible(text: str) -> str:
    """Return what a reader sees of an answer: no characters without a glyph, which could hide or reorder text."""
    kept = (character for character in text if character in "\n\t" or unicodedata.category(character) not in _INVISIBLE)
    return "".join(kept)[:MAX_CHARACTERS]


def normalised(text: str) -> str:
    """Return an answer in the form in which answers are compared."""
    # NFC and not NFKC, for which 10² is 102.
    return " ".join(unicodedata.normalize("NFC", visible(text)).split())


@lru_cache(maxsize=KEPT)
def group_id(text: str) -> str:
    """Return the id of the group that an answer belongs to."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()[:16]


def group_answers(answers: Mapping[str, str]) -> list[AnswerGroup]:
    """Return the answers in groups, the largest first; `answers`: student → text."""
    members: dict[str, list[str]] = defaultdict(list)
    for student in sorted(answers):
        members[group_id(answers[student])].append(student)
    groups = [
        AnswerGroup(key, _most_frequent(answers[student] for student in students), tuple(students))
        for key, students in members.items()
    ]
    return sorted(groups, key=lambda group: (-len(group.students), normalised(group.text), group.id))


def _most_frequent(texts: Iterable[str]) -> str:
    return Counter(map(visible, texts)).most_common(1)[0][0]


def near_identical(own: AnswerGroup, groups: Iterable[AnswerGroup]) -> list[NearGroup]:
    """Return the groups whose answer is nearly the same as that of `own`, the closest first."""
    words, matcher = _words(own.text), SequenceMatcher(autojunk=False)  # junk would be every frequent word
    matcher.set_seq2(words)
    near = []
    for group in groups:
        other = _words(group.text)
        if group.id == own.id or max(len(words), len(other)) > MAX_WORDS:
            continue
        matcher.set_seq1(other)
        bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)  # each is at most the one before
        if all(bound() >= MIN_SHARE for bound in bounds):
            near.append(NearGroup(group, matcher.ratio(), differences(own.text, group.text)))
    return sorted(near, key=lambda item: (-item.share, item.group.id))[:MAX_PROPOSED]


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORDS.findall(normalised(text))]


def differences(own: str, other: str) -> tuple[Piece, ...]:
    """Return how to read the other answer against one's own, word by word."""
    one, two = (_PIECES.findall(visible(text)) for text in (own, other))
    pieces = []
    for kind, start, end, other_start, other_end in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(Piece("same", "".join(two[other_start:other_end])))
            continue
        pieces += [Piece("own", "".join(one[start:end]))] if end > start else []
        pieces += [Piece("other", "".join(two[other_start:other_end]))] if other_end > other_start else []
    return tuple(pieces)
