"""A quiz as an exercise: one case, which looks at the letter, and a misconception for each wrong letter.

A lab's `misconceptions.py` says what each letter means, the right one too:

    QUIZZES = {"kl_direction": {"A": "…", "B": "Right: …", "C": "…"}}
"""

from __future__ import annotations

from collections.abc import Mapping

from helpers.grader.course.cases import Case, Misconception
from helpers.grader.errors import GraderError


def quiz_case(name: str) -> Case:
    """Return the one case of a quiz."""
    options, why = {"exercise": name}, "a quiz has one right letter"
    return Case(
        name, "answer_letter", (), observe="letter", about="the letter of your answer", options=options, fixed=why
    )


def quiz_explanations(lab: str, name: str, letter: str, quizzes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return what each letter of a quiz means. Raises GraderError if the right letter or a second one is missing."""
    explanations = dict(quizzes.get(name, {}))
    if letter not in explanations or len(explanations) < 2 or not all(map(_is_letter, explanations)):
        raise GraderError(
            f'{lab}: misconceptions.py needs QUIZZES = {{"{name}": {{"A": "…", …}}}} with an explanation for each '
            f"letter, {letter} among them."
        )
    return explanations


def wrong_letters(name: str, letter: str, explanations: Mapping[str, str], heading: str) -> list[Misconception]:
    """Return a misconception for each wrong letter. Its implementation is the letter itself."""
    wrong = {option: text for option, text in explanations.items() if option != letter}
    return [Misconception(name, option, text, heading, option) for option, text in wrong.items()]


def _is_letter(option: str) -> bool:
    return len(option) == 1 and "A" <= option <= "Z"
