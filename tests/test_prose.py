"""A linter for prose: turns of phrase that a native engineer would not write, and words that miss the field's term.

It reads what people read: the labs' texts, the diagnoses of mistakes, README, CONTRIBUTING and docs. Code is left out.
"""

import re
from pathlib import Path

import pytest

from helpers.setup.launcher import TROUBLE, WELCOME
from tests.labs.common import LABS, lab_of, released

ROOT = Path(__file__).parents[1]

# Each pattern, and what to write instead.
RULES = {
    r"\b(?:next|previous|predicted|sampled|generated|likely|every|each) words?\b(?! problem)": "token",
    r"\bwords? of (?:the|its) (?:vocabulary|text)\b": "tokens",
    r"\bwithout a word\b|\bsay(?:s|ing)? no(?:thing| word) (?:about|of) it\b|\bno word about\b": "silently",
    r"\bof one's own\b": "your own",
    r"\bthat there is not\b|\bthere is not\b(?! (?:a|an|any|enough|yet|one|much|only)\b)": "unknown, there is no",
    r"\b(?:is|are|was) asked of\b": "must, has to",
    r"\bthinks? nothing of\b": "considers very unlikely",
    r"\bh(?:olds?|eld) (?:\w+ ){1,4}for (?:equally|just as|true|right|wrong|certain)\b": "considers",
    r"(?:^|[.] )Who \w+s\b[^?.]*[,.]": "If you …,",
    r"\bsomebody who\b": "a reader who, someone who",
    r"\b(?:whence|thereof|therein|whereof|hitherto|whatsoever|lest|nought|naught|ere)\b": "a modern word",
    r"\bdials?\b": "slider",
    r"\bthe textbook\b(?! shelf)": "name the book, or: a common recipe",
    r"\bfree logits\b|\bteacher first covers\b": "the field's own term",
    r"\bmakes? a measurement go wrong\b": "corrupts a measurement",
    r"\b(?:is|are) another one for another\b": "identifies",
}

_FENCE = re.compile(r"```.*?```", re.DOTALL)
_NO_PROSE = re.compile(r"`[^`]*`|\$[^$]+\$|!\[[^]]*\]\(data:[^)]*\)|<[^>]+>|\]\([^)]*\)")


def prose(markdown: str) -> str:
    """A text without code, formulas, links' targets, tags and line breaks."""
    return " ".join(_NO_PROSE.sub(" ", _FENCE.sub(" ", markdown)).split())


def problems(text: str) -> list[str]:
    found = []
    for pattern, instead in RULES.items():
        for match in re.finditer(pattern, text, re.IGNORECASE):
            around = text[max(0, match.start() - 30) : match.end() + 30]
            found.append(f"“{match[0]}” → {instead}: …{around}…")
    return found


@pytest.mark.parametrize("name", LABS)
def test_a_labs_text_reads_like_english(name):
    texts = [prose(cell.source) for cell in released(name).cells if cell.cell_type == "markdown"]
    for exercise in lab_of(name).exercises.values():
        texts += [known.diagnosis for known in exercise.misconceptions]
        texts += exercise.quiz.values()
    assert [problem for text in texts for problem in problems(text)] == []


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [ROOT / "CHANGELOG.md", *sorted((ROOT / "docs" / "site").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_reads_like_english(page):
    assert problems(prose(page.read_text(encoding="utf-8"))) == []


def test_the_launcher_reads_like_english():
    assert problems(prose(WELCOME + TROUBLE)) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "The model predicts the next word.",
        "PyTorch says no word about it.",
        "Three things make a measurement go wrong without a word.",
        "Who masks padding by its token masks the real end too.",
        "He held all of them for equally likely.",
        "Use a tier that there is not.",
        "Move the dial to T = 2.",
        "The textbook prints another number.",
        "A short text that is another one for another model.",
    ],
)
def test_the_linter_finds_what_it_is_for(sentence):
    assert problems(prose(sentence)) != []


@pytest.mark.parametrize(
    "sentence",
    [
        "Word problems have words in them: two words make a token, `next word` is code.",
        "Who is right?",
        "A student who reads this stays calm.",
        "There is not enough memory. There is not yet a result.",
    ],
)
def test_the_linter_leaves_good_sentences_alone(sentence):
    assert problems(prose(sentence)) == []
