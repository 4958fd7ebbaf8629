"""How good is a student? Perplexity with an interval, distance to the truth, and the share of the gap that it closed.

Every mean is over predicted tokens, so the batch size does not matter. Models are measured in eval mode, and returned
to the mode they were in.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.bootstrap import Estimate, estimate_ratio
from helpers.data.batches import Batch
from helpers.data.known_language import KnownLanguage
from helpers.engine.model_parts import eval_mode
from helpers.labels import make_labels, next_token_pairs
from helpers.losses import IGNORE, widen


def row_nll(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of each row, summed over its predicted tokens, and their number; each `(B,)`.

    Sums are float64, in nats. A row's first token is not counted, because nothing predicts it; nor is padding.

    Args:
        model: called with input_ids and attention_mask; returns an object with logits `(B, S, V)`.
        batch: input_ids and attention_mask `(B, S)`, padded on the right: after padding on the left, a row's first
            token would count as predicted by the padding.
    """
    logits, labels = _predictions(model, batch)
    log_probs = F.log_softmax(widen(logits), dim=-1)
    nll = F.nll_loss(log_probs.transpose(1, 2), labels, ignore_index=IGNORE, reduction="none")
    return nll.double().sum(dim=1), (labels != IGNORE).sum(dim=1)


def token_nll(model: nn.Module, batch: Batch) -> tuple[float, int]:
    """Total negative log-likelihood of a batch in nats, and the number of predicted tokens."""
    nll, tokens = row_nll(model, batch)
    return float(nll.sum()), int(tokens.sum())


def perplexity(model: nn.Module, batches: Iterable[Batch]) -> float:
    """exp(total negative log-likelihood / number of predicted tokens), over all batches.

    Raises ValueError if no token is predicted.
    """
    return measure_perplexity(model, batches, resamples=0).value


def measure_perplexity(
    model: nn.Module, batches: Iterable[Batch], *, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Perplexity and its bootstrap interval: that of the perplexities of rows resampled with replacement.

    The interval says how much the choice of rows matters; it says nothing about training seeds.

    Args:
        model: as in `row_nll`.
        batches: as in `row_nll`.
        resamples: with 0, the interval is the value itself.
        confidence: share of the resamples inside the interval; 0.95 leaves out 2.5 % on either side.
        seed: of the resampling.

    Raises:
        ValueError: no token is predicted.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (percentile interval).
    """
    rows = _collect(lambda batch: row_nll(model, batch), batches)
    return estimate_ratio(*rows, resamples, confidence, seed, _exp)


def _exp(nats: float) -> float:
    """exp, infinite where a float overflows: a model that is sure of wrong words can lose 1,000 nats per token."""
    return math.exp(nats) if nats < 709 else math.inf


class Comparison(NamedTuple):
    """A student compared with its teacher.

    perplexity: the student's. kl: KL(teacher || student) in nats. agreement: share of tokens where both have the same
    most likely one.
    """

    perplexity: Estimate
    kl: Estimate
    agreement: Estimate


def compare_with_teacher(
    student: nn.Module,
    teacher: Callable,
    batches: Iterable[Batch],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Perplexity, KL to the teacher at temperature 1, and how often both have the same most likely token.

    Means are over predicted tokens, with bootstrap intervals over rows as in `measure_perplexity`.

    Args:
        student: as in `row_nll`.
        teacher: called like the student; a model in eval mode, or a `HiddenStateCache`.
        batches, resamples, confidence, seed: as in `measure_perplexity`.

    Raises:
        ValueError: no token is predicted.
    """
    parts: list[Tensor] = []
    for batch in batches:
        logits, labels = _predictions(student, batch)
        with torch.no_grad():
            teacher_logits = teacher(
                batch["input_ids"].to(logits.device), attention_mask=batch["attention_mask"].to(logits.device)
            ).logits[:, :-1]
        for row in zip(logits, teacher_logits, labels, strict=True):  # row by row, because V is large
            parts.append(_compare_row(*row))
    sums = torch.stack(parts).cpu() if parts else torch.zeros(1, 4)
    nll, kl, same, tokens = sums.unbind(dim=1)
    if not tokens.sum():
        raise ValueError("batches hold no token to predict; at least one row needs two tokens that count")
    options = (tokens, resamples, confidence, seed)
    return Comparison(
        estimate_ratio(nll, *options, math.exp),
        estimate_ratio(kl, *options, float),
        estimate_ratio(same, *options, float),
    )


def _compare_row(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> Tensor:
    """Sums over a row's counted tokens, `(4,)` float64: NLL, KL, equal most likely tokens, and their number."""
    counted = labels != IGNORE
    student = F.log_softmax(widen(student_logits[counted]), dim=-1)
    teacher = F.log_softmax(widen(teacher_logits[counted]), dim=-1)
    nll = F.nll_loss(student, labels[counted], reduction="sum").double()
    kl = (teacher.exp() * (teacher - student)).sum().double()
    same = (student.argmax(dim=-1) == teacher.argmax(dim=-1)).sum().double()
    return torch.stack([nll, kl, same, counted.sum().double()])


def row_distance(model: nn.Module, language: KnownLanguage, batch: Batch) -> tuple[Tensor, Tensor]:
    """KL(truth || model) of each row, summed over its predicted tokens, and their number; each `(B,)`.

    batch: rows of the language `(B, S)`. Each token's KL is over the whole vocabulary: exact, in float64, in nats.
    """
    logits, labels = _predictions(model, batch)
    truth = language.next_token_probs(batch["input_ids"])[:, :-1].to(logits.device)
    log_model = F.log_softmax(logits.double(), dim=-1)
    divergence = (torch.special.xlogy(truth, truth) - truth * log_model).sum(dim=-1)
    counted = labels != IGNORE
    return divergence.masked_fill(~counted, 0).sum(dim=1), counted.sum(dim=1)


def distance_to_truth(model: nn.Module, language: KnownLanguage, batches: Iterable[Batch]) -> float:
    """Mean KL(truth || model) per predicted token in nats: 0 for the truth itself, and never below.

    A model's expected loss is the truth's entropy plus this distance.

    Args:
        model: as in `row_nll`.
        language: the truth.
        batches: rows of the language that the model was not trained on.

    Raises:
        ValueError: no token is predicted, or the rows are not of the language.
    """
    return measure_distance(model, language, batches, resamples=0).value


def measure_distance(
    model: nn.Module,
    language: KnownLanguage,
    batches: Iterable[Batch],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """The distance to the truth in nats and its bootstrap interval over rows, as in `measure_perplexity`."""
    rows = _collect(lambda batch: row_distance(model, language, batch), batches)
    return estimate_ratio(*rows, resamples, confidence, seed, float)


def gap_closed(teacher: float, before: float, after: float) -> float:
    """Share of the gap to the teacher that training closed: (ln before - ln after) / (ln before - ln teacher).

    1 means that the student reached the teacher, 0 that it gained nothing. The share may be negative or above 1.

    Args:
        teacher: the teacher's perplexity.
        before: the student's perplexity before training.
        after: the student's perplexity after training.

    Raises:
        ValueError: a perplexity is not above 0, or before equals teacher, so that there is no gap.
    """
    for name, value in {"teacher": teacher, "before": before, "after": after}.items():
        if not value > 0:
            raise ValueError(f"{name} is {value}; a perplexity must be above 0")
    if before == teacher:
        raise ValueError(f"before and teacher are both {teacher}; they must differ, or there is no gap to close")
    return (math.log(before) - math.log(after)) / (math.log(before) - math.log(teacher))


def _predictions(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """A batch's aligned logits and labels, from the model in eval mode and without gradients."""
    with torch.no_grad(), eval_mode(model):
        device = next(model.parameters(), torch.empty(0)).device
        input_ids, attention_mask = batch["input_ids"].to(device), batch["attention_mask"].to(device)
        logits = model(input_ids, attention_mask=attention_mask).logits
    return next_token_pairs(logits, make_labels(input_ids, attention_mask))


def _collect(measure: Callable[[Batch], tuple[Tensor, Tensor]], batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """Sums and counts of all rows of all batches, each `(rows,)`; ValueError if nothing is counted."""
    parts = [measure(batch) for batch in batches]
    if not parts or not sum(int(tokens.sum()) for _, tokens in parts):
        raise ValueError("batches hold no token to predict; at least one row needs two tokens that count")
    return torch.cat([sums.cpu() for sums, _ in parts]), torch.cat([tokens.cpu() for _, tokens in parts])
