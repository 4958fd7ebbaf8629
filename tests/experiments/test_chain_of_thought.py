"""The four students' experiment: what each arm reads, what is counted, and one small run from end to end."""

import json
import re

import pytest

from helpers.data.word_problems import make_problems, problem_tokenizer, solved_problems
from helpers.experiments import chain_of_thought as experiment
from helpers.experiments.chain_of_thought import (
    COMPARISONS,
    STEP_COUNTS,
    TEMPERATURE,
    arms,
    run_seed,
    summary,
    trace_kinds,
)
from helpers.reasoning import chain_of_thought as cot
from helpers.reasoning.fine_tuning import load_reasoner
from helpers.reasoning.generation import SamplingConfig, write_traces

WRONG = "#### 99"


@pytest.fixture(scope="module")
def drawn():
    """Twenty problems and their right solutions, every second one replaced by a wrong answer without steps."""
    solved = solved_problems(20, seed=1, steps=(2, 3))
    problems = [problem for problem, _ in solved]
    return problems, [trace if place % 2 else WRONG for place, (_, trace) in enumerate(solved)]


def test_each_arm_reads_what_its_name_says(drawn):
    problems, traces = drawn
    read = arms(problems, traces, count=10)
    assert set(read) == {name for pair in COMPARISONS.values() for name in pair}
    assert [trace for _, trace in read["answer only"]] == [f"#### {problem['answer']}" for problem in problems[:10]]
    assert [trace for _, trace in read["raw traces"]] == traces[:10] and WRONG in traces[:10]
    assert [trace for _, trace in read["filtered"]] == traces[1:10:2]
    assert [trace for _, trace in read["filtered and compact"]] == [cot.compact(trace) for trace in traces[1:10:2]]
    assert [trace for _, trace in read["filtered, as many traces"]] == traces[1:20:2]
    assert read["a tenth of them, filtered"] == read["filtered"][:1]


def test_kinds_of_traces_add_up_and_know_luck_from_skill():
    problem = {"question": "Ana has 7 apples. Monday brings 3. How many apples now?", "answer": 10, "steps": 1}
    traces = [
        "7 + 3 = 10\n#### 10",
        "7 + 2 = 10\n#### 10",
        "7 + 3 = 10\n7 + 3 = 10\n#### 10",
        "7 - 3 = 4\n#### 4",
        "9 + 1 = 10\n#### 10",
    ]
    kinds = trace_kinds([problem] * 5, traces)
    assert [round(5 * share) for share in list(kinds.values())[:4]] == [2, 1, 1, 1]
    assert (
        kinds["wrong answer, every step holds"] == kinds["an equation twice"] == kinds["kept, but not grounded"] == 0.2
    )


def test_a_small_run_goes_from_teacher_to_comparison():
    runs = [run_seed(0, problems=15, steps=2, held_out_problems=10, only=("answer only", "raw traces"))]
    result = summary(runs)
    assert set(result["arms"]) == {"answer only", "raw traces"} and set(result["comparisons"]) == {"reasoning"}
    assert result["arms"]["raw traces"]["examples"] == [15]
    assert result["arms"]["raw traces"]["tokens_of_examples"] > result["arms"]["answer only"]["tokens_of_examples"]
    assert set(result["arms"]["raw traces"]["accuracy_by_steps"]) == {str(k) for k in STEP_COUNTS}
    json.dumps(result)


def test_the_teacher_errs_as_the_lab_says_and_the_student_knows_less():
    """Between one and four of ten of the drawn traces are wrong, and some steps of them do not hold."""
    tokenizer, problems = problem_tokenizer(), make_problems(200, seed=5)
    teacher = write_traces(load_reasoner("teacher"), tokenizer, problems, SamplingConfig(temperature=TEMPERATURE))
    kinds = trace_kinds(problems, teacher)
    assert 0.1 < kinds["wrong answer"] < 0.4 and kinds["kept"] > 0.5
    student = write_traces(load_reasoner("student"), tokenizer, problems)
    assert trace_kinds(problems, student)["wrong answer"] > kinds["wrong answer"] + 0.1


def test_the_command_writes_the_result_and_says_what_each_comparison_shows(tmp_path, monkeypatch, capsys):
    arms_run = ("answer only", "raw traces")
    run = run_seed(0, problems=15, steps=2, held_out_problems=10, only=arms_run)
    monkeypatch.setattr(experiment, "run_seed", lambda seed: run)
    monkeypatch.setattr(experiment, "before", dict)
    monkeypatch.setattr("sys.argv", ["chain_of_thought", "--results", str(tmp_path)])
    experiment.main()
    assert set(json.loads((tmp_path / "chain_of_thought.json").read_text())["arms"]) == set(arms_run)
    printed = capsys.readouterr().out
    assert re.search(
        "^reasoning: (No effect shown: )?“(raw traces|answer only)” (is right|and “)", printed, re.MULTILINE
    )
