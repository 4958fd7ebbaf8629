"""results/reasoning_training.json: the log of the training that made lab 05's weights, and what the lab says of it."""

import pytest

from helpers.data.word_problems import make_problems, problem_tokenizer
from helpers.experiments.chain_of_thought import HELD_OUT, HELD_OUT_SEED, STEP_COUNTS, TEMPERATURE
from helpers.reasoning.chain_of_thought import extract_answer
from helpers.reasoning.fine_tuning import load_reasoner
from helpers.reasoning.generation import SamplingConfig, write_traces
from helpers.reasoning.scoring import accuracy, judge_answers
from tests.committed import result
from tests.conftest import ROOT


def test_what_the_lab_says_of_problems_that_come_up_again_was_counted():
    measured = result("reasoning_training")
    again = {measured[role]["held_out_questions_read"] for role in ("student", "teacher")}
    lab = (ROOT / "solutions" / "05_chain_of_thought" / "05_chain_of_thought.py").read_text(encoding="utf-8")
    assert f"{again.pop()} of the {HELD_OUT} do" in lab and not again


def test_the_accuracies_are_those_of_the_comparison_of_students():
    measured, compared = result("reasoning_training"), result("chain_of_thought")
    assert measured["student"]["greedy"]["accuracy"] == compared["student before"]["accuracy"]
    assert measured["teacher"]["greedy"]["accuracy"] == compared["teacher, greedy"]["accuracy"]


@pytest.mark.parametrize(("writing", "temperature"), [("greedy", 0.0), ("drawn", TEMPERATURE)])
@pytest.mark.parametrize("role", ["student", "teacher"])
def test_the_weights_in_the_package_are_those_of_the_log(role, writing, temperature):
    tokenizer, held_out = problem_tokenizer(), make_problems(HELD_OUT, HELD_OUT_SEED, STEP_COUNTS)
    traces = write_traces(load_reasoner(role), tokenizer, held_out, SamplingConfig(temperature=temperature))
    outcomes = judge_answers(held_out, traces, extract_answer, tokenizer)
    logged = result("reasoning_training")[role][writing]["accuracy"]["value"]
    assert accuracy([outcomes]).value == pytest.approx(logged, abs=0.02)  # rounding differs from machine to machine
