"""Damaged replies, outputs and frames of a student's process: each ends in verdicts, never in the grader's failure."""

from __future__ import annotations

import copy
import json
import random
import socket
import time
from pathlib import Path

import nbformat
import pytest

from helpers.checks.encoding import decode
from helpers.checks.observers import observe
from helpers.grader import frames
from helpers.grader.intake.unicode import load_json
from helpers.grader.judging import judge as judging
from helpers.grader.judging.judgement import VERDICTS
from helpers.grader.judging.kernel_data import NO_REPLY, reply_of
from helpers.grader.judging.student_kernel import KernelDied, Ran, StudentKernel
from helpers.grader.judging.wire_kernel import Message
from helpers.grader.limits import Limits
from helpers.grader.reports.feedback import feedback_page, graded_notebook
from helpers.grader.reports.gradebook import csv_text
from helpers.grader.run.judgement_store import from_plain, to_plain
from tests.attacks.test_fuzz import BYTES, JUNK, STRUCTURE, paths_in
from tests.conftest import AVERAGE, DOUBLE

LIMITS = Limits(output=20_000)
DEEP = "what is nested deeply"  # is put in as text: Python's own copying would not survive it
HOSTILE = [
    *JUNK,
    DEEP,
    {"tensor": {"dtype": "float32", "shape": [10**15, 0], "data": ""}},
    {"tensor": {"dtype": "float32", "shape": ["9" * 4000] * 50, "data": ""}},
    {"tensor": {"dtype": "bool", "shape": [2], "data": "AgM="}},
    {"float": "nan"},
    {"float": "1" * 5000},
    {"mapping": [[{"tuple": []}, 1]]},
    {"mapping": [[{"list": []}, 1]]},
    {"object": "torch.Tensor"},
    {"model_spec": {"name": "gpt2", "settings": {"mapping": []}}},
    "[Errno 2]" * 2000,
    ["ValueError", "nothing", None],
    {"error": {"type": "NameError", "message": "name 'x' is not defined", "line": DEEP}},
    {"undefined": DEEP},
]
MESSAGES = [
    ("stream", {"name": "stdout", "text": "printed\n"}),
    ("display_data", {"data": {"text/plain": "shown", "text/html": "<b>shown</b>"}, "metadata": {"image/png": {}}}),
    ("execute_result", {"data": {"text/plain": "4"}, "metadata": {}, "execution_count": 3}),
    ("error", {"ename": "ValueError", "evalue": "bad", "traceback": ["line"]}),
    ("comm_msg", {"comm_id": "x", "data": {"reply": {}}}),
]


def damaged(content: object, draw: random.Random) -> object:
    """Return JSON content as it arrives after up to three changes; None if it is no JSON any more."""
    changed = {"content": copy.deepcopy(content)}
    for _ in range(draw.choice([0, 1, 1, 2, 3])):
        paths = paths_in(changed)
        if not paths:
            break
        *outer, key = draw.choice(paths)
        parent: object = changed
        for step in outer:
            parent = parent[step]
        if draw.random() < 0.6:
            parent[key] = copy.deepcopy(draw.choice(HOSTILE))
        else:
            draw.choice(STRUCTURE)(parent, key, draw)
    try:
        text = json.dumps(changed).replace(f'"{DEEP}"', "[" * 600 + "]" * 600)
        return load_json(draw.choice(BYTES)(text.encode(), draw).decode("utf-8", "replace"))["content"]
    except Exception:  # as the kernel's reader does with what is no message
        return None


class DamagedKernel:
    """Stands for a kernel that answers rightly, but whose messages arrive damaged."""

    draw = random.Random(0)
    answers: dict = {}

    def __init__(self, name: str, folder: Path, limits: Limits, start: object) -> None:
        self.reader = object.__new__(StudentKernel)
        self.reader.output_left = limits.output

    def __enter__(self) -> DamagedKernel:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def install_probe(self, *arguments: object) -> None:
        pass

    def processor_time(self) -> None:
        return None

    def _may_die(self) -> None:
        if self.draw.random() < 0.02:
            raise KernelDied(self.draw.choice(["crash", "memory", "timeout"]))

    def run(self, source: str, seconds: float, silent: bool = False) -> Ran:
        self._may_die()
        ran = Ran()
        for kind, content in self.draw.sample(MESSAGES, 2):
            content = damaged(content, self.draw)
            if isinstance(content, dict):
                self.reader._collect(ran, Message(kind, "", content))
        return ran

    def ask(self, request: dict, seconds: float) -> dict:
        self._may_die()
        key = json.dumps(request)
        if key not in self.answers:
            arguments = [decode(item) for item in request["arguments"]]
            options, answer = decode(request["options"]), self.answers["reference"][request["name"]]
            self.answers[key] = observe(request["observe"], answer, arguments, options, request["seed"])
        content = damaged({"comm_id": "x", "data": {"reply": self.answers[key]}}, self.draw)
        return NO_REPLY if content is None else reply_of(content)


@pytest.mark.slow
def test_no_damaged_message_stops_the_judge_or_leaves_a_case_without_a_verdict(
    mini, notebook, tmp_path, monkeypatch, fuzz_count
):
    monkeypatch.setattr(judging, "StudentKernel", DamagedKernel)
    monkeypatch.setattr(DamagedKernel, "draw", random.Random(12))
    monkeypatch.setattr(DamagedKernel, "answers", {"reference": mini.reference})
    handed_in, given = notebook(DOUBLE, AVERAGE, before="print(1)"), set()
    for number in range(fuzz_count):
        judgement = judging.judge(mini, copy.deepcopy(handed_in), tmp_path, LIMITS, "none")
        for exercise in mini.exercises.values():
            rows = judgement.of(exercise.name)
            assert [row.case for row in rows] == [case.name for case in exercise.cases], number
            for row in rows:
                assert row.verdict in VERDICTS and row.points == (row.max_points if row.verdict == "correct" else 0)
                assert row.seen.isprintable() and len(row.seen) < 1000, (number, row.seen)
                given.add(row.verdict)
        stored = json.loads(json.dumps(to_plain(judgement)))
        assert from_plain(stored).rows == judgement.rows
        csv_text([("ann", judgement)]).encode()
        feedback_page(mini, "ann", judgement).encode()
        nbformat.writes(graded_notebook(mini, judgement)).encode()
    assert given >= {"correct", "wrong", "error", "crash"}, given


@pytest.mark.parametrize("seed", range(4))
def test_no_damaged_frame_is_more_than_a_frame_or_the_end_of_the_wire(fuzz_count, seed):
    draw, outcomes = random.Random(seed), set()
    for _ in range(max(1, fuzz_count // 4)):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            payload = draw.randbytes(draw.randint(0, 300))
            data = frames.HEADER.pack(len(payload)) + payload + frames.HEADER.pack(2) + b"ok"
            theirs.sendall(draw.choice(BYTES)(data, draw) if draw.random() < 0.8 else draw.randbytes(40))
            theirs.close()
            reader = frames.FrameReader(ours, limit=1000)
            while True:
                try:
                    received = reader.receive(time.monotonic() + 5)
                    assert len(received) <= 1000
                    outcomes.add("frame")
                except (frames.WireClosed, frames.FrameTooLarge) as end:
                    outcomes.add(type(end).__name__)
                    break
    assert outcomes == {"frame", "WireClosed", "FrameTooLarge"}
