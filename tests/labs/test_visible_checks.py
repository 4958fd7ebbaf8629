"""A green check, then a red grade: every mistake that a lab names shows in its visible check already."""

from __future__ import annotations

import json
from functools import cache

import pytest

from helpers.checks.visible_check import check_examples
from tests.conftest import ROOT
from tests.labs.common import EXERCISES, MISCONCEPTIONS, RIGHT, defined, lab_of

# Known mistakes that only the grade finds. The list may shrink, never grow.
MISSED: set[tuple[str, str, str]] = set()

# Mistakes that a lab's text, traps or hints warn of, beyond those of its misconceptions.py, as students write them.
WARNED_OF = {
    ("01_temperature", "softmax_with_temperature", "only a temperature of 0 is refused"): """
def softmax_with_temperature(logits, temperature):
    if temperature == 0:
        raise ValueError("temperature")
    return torch.softmax(logits.float() / temperature, dim=-1)
""",
    ("01_temperature", "entropy", "a small number added to every probability"): """
def entropy(probs):
    return -(probs * torch.log(probs + 1e-6)).sum(dim=-1)
""",
    ("01_temperature", "entropy", "small probabilities replaced, not only zeros"): """
def entropy(probs):
    return -(probs * torch.log(probs.clamp(min=0.03))).sum(dim=-1)
""",
    ("02_loss", "soft_targets", "only a temperature of 0 is refused"): """
def soft_targets(teacher_logits, temperature):
    if temperature == 0:
        raise ValueError("temperature")
    return (widen(teacher_logits.detach()) / temperature).softmax(dim=-1)
""",
    ("02_loss", "soft_targets", "detached in place"): """
def soft_targets(teacher_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    return (widen(teacher_logits.detach_()) / temperature).softmax(dim=-1)
""",
    ("02_loss", "soft_log_predictions", "only a temperature of 0 is refused"): """
def soft_log_predictions(student_logits, temperature):
    if temperature == 0:
        raise ValueError("temperature")
    return F.log_softmax(widen(student_logits) / temperature, dim=-1)
""",
    ("02_loss", "kl_divergence", "a vocabulary of size 1 broadcasts"): """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    if mask.shape != soft_targets.shape[:-1]:
        raise ValueError("mask")
    per_token = F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)
""",
    ("02_loss", "kl_gradient", "a vocabulary of size 1 broadcasts"): """
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    if mask.shape != student_logits.shape[:-1]:
        raise ValueError("mask")
    gap = soft_log_predictions(student_logits, temperature).exp() - soft_targets(teacher_logits, temperature)
    return gap / temperature * mask[..., None] / mask.sum().clamp(min=1)
""",
    ("02_loss", "hard_loss", "view, on a slice"): """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError("labels")
    flat = widen(student_logits).view(-1, student_logits.shape[-1])
    total = F.cross_entropy(flat, labels.view(-1), ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)
""",
    ("02_loss", "hard_loss", "no comparison of shapes: cross_entropy sees that the sizes differ"): """
def hard_loss(student_logits, labels):
    total = F.cross_entropy(widen(student_logits).flatten(0, -2), labels.flatten(), reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)
""",
    ("02_loss", "distillation_loss", "only an α above 1 is refused"): """
def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    if alpha > 1 or student_logits.shape != teacher_logits.shape:
        raise ValueError("alpha")
    p, log_q = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
    soft = kl_divergence(p, log_q, labels != IGNORE)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)
""",
    ("02_loss", "DistillationLoss", "T² stored in the constructor"): """
class DistillationLoss(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha, self.square = temperature, alpha, temperature**2

    def forward(self, student_logits, teacher_logits, labels):
        if not 0 <= self.alpha <= 1:
            raise ValueError("alpha")
        log_q = soft_log_predictions(student_logits, self.temperature)
        soft = kl_divergence(soft_targets(teacher_logits, self.temperature), log_q, labels != IGNORE)
        return self.alpha * self.square * soft + (1 - self.alpha) * hard_loss(student_logits, labels)
""",
    ("05_chain_of_thought", "extract_answer", "findall, so that an empty last mark is not seen"): r"""
def extract_answer(trace):
    found = re.findall(r"#### (-?[\d,]+)", trace)
    return int(found[-1].replace(",", "")) if found else None
""",
    ("05_chain_of_thought", "extract_answer", "no match, and its group is read all the same"): r"""
def extract_answer(trace):
    return int(re.match(r"\s*(-?\d[\d,]*)", trace.rpartition("####")[2])[1].replace(",", ""))
""",
    ("05_chain_of_thought", "verify_steps", "a division by 0 raises"): r"""
def verify_steps(trace):
    found = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    results = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b}
    return bool(found) and all(results[op](int(a), int(b)) == int(c) for a, op, b, c in found)
""",
    ("05_chain_of_thought", "verify_steps", "a = b · c alone, so that 0 / 0 has every result"): r"""
def verify_steps(trace):
    found = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    results = []
    for a, op, b, c in found:
        a, b, c = int(a), int(b), int(c)
        results.append(a == b * c if op == "/" else c == {"+": a + b, "-": a - b, "*": a * b}[op])
    return bool(found) and all(results)
""",
    ("05_chain_of_thought", "keep_trace", "at most 8 lines, the answer's among them"): r"""
def keep_trace(problem, trace):
    equations = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    once = len(set(equations)) == len(equations) and len(trace.splitlines()) <= 8
    return once and verify_steps(trace) and extract_answer(trace) == problem["answer"]
""",
    ("05_chain_of_thought", "keep_trace", "fewer than 8 steps"): r"""
def keep_trace(problem, trace):
    equations = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    once = len(set(equations)) == len(equations) < 8
    return once and verify_steps(trace) and extract_answer(trace) == problem["answer"]
""",
    ("05_chain_of_thought", "keep_trace", "the answer searched in the whole trace"): r"""
def keep_trace(problem, trace):
    equations = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    once = len(set(equations)) == len(equations) <= 8
    return once and verify_steps(trace) and str(problem["answer"]) in trace.replace(",", "")
""",
    ("05_chain_of_thought", "filter_traces", "the same question once"): r"""
def filter_traces(problems, traces):
    kept, seen = [], set()
    for problem, trace in zip(problems, traces):
        if keep_trace(problem, trace) and problem["question"] not in seen:
            seen.add(problem["question"])
            kept.append((problem, trace))
    return kept
""",
    ("05_chain_of_thought", "filter_traces", "the same trace once"): r"""
def filter_traces(problems, traces):
    kept, seen = [], set()
    for problem, trace in zip(problems, traces):
        if keep_trace(problem, trace) and trace not in seen:
            seen.add(trace)
            kept.append((problem, trace))
    return kept
""",
    ("05_chain_of_thought", "compact", "false equations dropped"): r"""
def compact(trace):
    found = [equation for equation in re.findall(r"-?\d+ [-+*/] -?\d+ = -?\d+", trace) if verify_steps(equation)]
    return "\n".join([*found, trace.splitlines()[-1]])
""",
    ("05_chain_of_thought", "compact", "the answer's line built anew"): r"""
def compact(trace):
    found = re.findall(r"-?\d+ [-+*/] -?\d+ = -?\d+", trace)
    return "\n".join([*found, f"#### {extract_answer(trace)}"])
""",
    ("05_chain_of_thought", "make_example", "question and trace tokenised in one go"): r"""
def make_example(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    whole = tokenizer(problem["question"] + "\n" + trace, add_special_tokens=False)["input_ids"]
    whole = whole + [tokenizer.eos_token_id]
    return torch.tensor(whole), torch.tensor([IGNORE] * len(prompt) + whole[len(prompt):])
""",
    ("09_student_shape", "keep_layers", "negative indices pass"): """
def keep_layers(model, kept):
    if not kept or kept != sorted(set(kept)) or max(kept) >= len(model.transformer.h):
        raise ValueError("kept")
    student = copy.deepcopy(model)
    student.transformer.h = nn.ModuleList([student.transformer.h[i] for i in kept])
    student.config.n_layer = len(kept)
    for number, layer in enumerate(student.transformer.h):
        layer.attn.layer_idx = number
    return student
""",
    ("09_student_shape", "hidden_state_loss", "only an empty map is refused"): """
def hidden_state_loss(student_states, teacher_states, projections, layer_map, mask):
    if not layer_map:
        raise ValueError("layer_map")
    counted = mask.bool()
    losses = []
    for ours, theirs in layer_map.items():
        error = projections[ours](student_states[ours][counted]) - teacher_states[theirs][counted].detach()
        losses.append(error.square().sum() / max(error.numel(), 1))
    return torch.stack(losses).mean()
""",
    ("09_student_shape", "prune_width", "the last dimension as -1"): """
def prune_width(linear, kept, dim):
    if dim not in (-1, 0, 1) or not kept or min(kept) < 0 or max(kept) >= linear.weight.shape[dim]:
        raise ValueError("prune_width")
    weight = linear.weight.detach().index_select(dim, torch.tensor(kept))
    new = nn.Linear(weight.shape[1], weight.shape[0], linear.bias is not None).to(weight.dtype)
    with torch.no_grad():
        new.weight.copy_(weight)
        if linear.bias is not None:
            new.bias.copy_(linear.bias[kept] if dim == 0 else linear.bias)
    return new
""",
}


@cache
def visible(name: str, exercise: str) -> dict:
    """An exercise's examples as the check reads them."""
    checks = json.loads((ROOT / "helpers" / "assets" / "checks" / f"{name}.json").read_text())
    return {"lab": name, "forbidden": [], "examples": checks["exercises"][exercise]["examples"]}


@pytest.mark.parametrize(("name", "exercise", "known"), MISCONCEPTIONS)
def test_the_check_finds_every_misconception(name, exercise, known):
    passed = check_examples(known.implementation, visible(name, exercise)).passed
    assert passed == ((name, exercise, known.name) in MISSED)


@pytest.mark.parametrize("mistake", WARNED_OF, ids="-".join)
def test_the_check_finds_what_the_text_warns_of(mistake):
    name, exercise, _ = mistake
    written = defined(lab_of(name), exercise, WARNED_OF[mistake])
    assert not check_examples(written, visible(name, exercise)).passed


@pytest.mark.parametrize(("name", "exercise", "source"), RIGHT)
def test_the_check_passes_every_right_variant(name, exercise, source):
    result = check_examples(defined(lab_of(name), exercise, source), visible(name, exercise))
    assert [finding for finding in result.findings if not finding.passed] == [] and result.passed


def test_missed_mistakes_are_still_there():
    names = {(name, exercise, known.name) for name, exercise in EXERCISES
             for known in lab_of(name).exercises[exercise].misconceptions}  # fmt: skip
    assert names >= MISSED
