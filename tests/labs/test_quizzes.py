"""Every quiz: one right letter that cannot be read in the lab, and an explanation for each option that stands there."""

import json
import re

import pytest

from helpers.checks.quiz import check_quiz
from helpers.checks.visible_check import check
from tests.labs.common import QUIZZES, checks_of, lab_of, released

pytestmark = pytest.mark.parametrize(("name", "quiz"), QUIZZES)


def test_every_option_of_the_question_has_its_explanation(name, quiz):
    cells = released(name).cells
    place = next(place for place, cell in enumerate(cells) if cell.id == quiz)
    question = cells[place - 1].source
    assert question.startswith("## Quiz ")
    options = re.findall(r"^- \*\*([A-Z])\*\* \S", question, re.MULTILINE)
    assert options == sorted(lab_of(name).exercises[quiz].quiz) and len(options) >= 3
    assert cells[place].source.startswith(f'{quiz} = ""')
    assert cells[place + 1].source == f'check("{quiz}")'


def test_the_answer_can_be_read_neither_in_the_notebook_nor_in_the_file_of_the_checks(name, quiz):
    given = checks_of(name) + json.dumps(released(name))
    right = lab_of(name).reference[quiz]
    assert f'{quiz} = \\"{right}' not in given
    for text in lab_of(name).exercises[quiz].quiz.values():
        assert text[:40] not in given


def test_the_check_explains_each_letter(name, quiz):
    sealed, right = json.loads(checks_of(name))["exercises"][quiz]["quiz"], lab_of(name).reference[quiz]
    for letter, text in lab_of(name).exercises[quiz].quiz.items():
        result = check_quiz(quiz, f" {letter.lower()} ", sealed)
        assert result.passed == (letter == right) and text in repr(result)


def test_the_check_finds_the_answer_by_its_name(name, quiz):
    space = {"check": check, quiz: lab_of(name).reference[quiz]}
    assert eval(f'check("{quiz}")', space).passed
    assert "no answer yet" in eval(f'check("{quiz}")', {"check": check, quiz: ""}).message
    assert "none of the options" in eval(f'check("{quiz}")', {"check": check, quiz: 3.0}).message
