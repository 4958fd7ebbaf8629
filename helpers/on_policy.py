"""On-policy distillation: the student writes, the teacher scores what it wrote, and the student takes a step.

In *off-policy* distillation the text comes from elsewhere: from people, or from the teacher. The loss is the same; only
whose text it is computed on differs. Which divergence to use is another question, and any of `helpers.losses` fits.
Sources: Agarwal et al. 2024, "On-Policy Distillation of Language Models" (GKD); Gu et al. 2024, "MiniLLM".
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from helpers.data.batches import whole_rows
from helpers.data.known_language import KnownLanguage
from helpers.engine.model_parts import eval_mode
from helpers.losses import widen

Divergence = Callable[[Tensor, Tensor, Tensor], Tensor]  # of student_logits, teacher_logits and mask


@torch.no_grad()
def sample_rows(student: nn.Module, prompts: Tensor, length: int, generator: torch.Generator | None = None) -> Tensor:
    """Continue each prompt by `length` tokens, sampled from the student's own probabilities at T = 1.

    The student samples in eval mode, keeps its keys and values, and comes back in the mode it was in. An end-of-text
    token is a token like any other: what follows it is the next text.

    Args:
        student: a transformers model.
        prompts: `(B, P)`, long, without padding; P is at least 1.
        length: tokens to sample for each row.
        generator: for the draws, on the CPU; None uses torch's own.

    Returns:
        `(B, P + length)`, long: the prompts, each with its continuation.

    Raises:
        ValueError: there is no prompt to continue, or length is below 0.
    """
    if prompts.dim() != 2 or prompts.shape[1] == 0:
        raise ValueError(f"prompts have shape {tuple(prompts.shape)}; each row must have at least one token")
    if length < 0:
        raise ValueError(f"length is {length}; it must be at least 0")
    rows, unread, cache = [prompts], prompts, None
    with eval_mode(student):
        for step in range(length):
            read = torch.ones(len(prompts), prompts.shape[1] + step, dtype=torch.long, device=prompts.device)
            output = student(unread, attention_mask=read, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            probabilities = widen(output.logits[:, -1]).softmax(dim=-1).cpu()
            unread = torch.multinomial(probabilities, 1, generator=generator).to(prompts.device)
            rows.append(unread)
    return torch.cat(rows, dim=1)


def on_policy_step(
    student: nn.Module,
    teacher: nn.Module,
    prompts: Tensor,
    optimizer: torch.optim.Optimizer,
    divergence: Divergence,
    length: int,
    generator: torch.Generator | None = None,
    writer: nn.Module | None = None,
) -> float:
    """Let the student continue the prompts, score that with the teacher, take one step, and return the loss.

    Sampling is not differentiated: the rows are data, as if somebody else had written them. Only predictions of sampled
    tokens count. The student is scored in the mode in which it arrives.

    Args:
        student, teacher: transformers models over the same vocabulary; the teacher is frozen and in eval mode.
        prompts, length, generator: as in `sample_rows`.
        optimizer: holds the student's weights.
        divergence: called with student_logits, teacher_logits `(B, length, V)` and a mask `(B, length)` of ones.
        writer: samples in the student's place, for example its copy in another precision; see `refresh`.
    """
    rows = sample_rows(student if writer is None else writer, prompts, length, generator)
    return divergence_step(student, teacher, rows, optimizer, divergence, length)


def divergence_step(
    student: nn.Module,
    teacher: nn.Module,
    rows: Tensor,
    optimizer: torch.optim.Optimizer,
    divergence: Divergence,
    last: int,
) -> float:
    """One step on rows `(B, S)`, whoever wrote them; the predictions of each row's last tokens count, `last` of them.

    Logits are computed for the predictions that count, and for no others.
    """
    optimizer.zero_grad()
    batch = whole_rows(rows)
    with torch.no_grad():
        teacher_logits = teacher(**batch, logits_to_keep=last + 1).logits[:, :-1]
    student_logits = student(**batch, logits_to_keep=last + 1).logits[:, :-1]
    loss = divergence(student_logits, teacher_logits, torch.ones(student_logits.shape[:2], device=rows.device))
    loss.backward()
    optimizer.step()
    return loss.item()


def refresh(writer: nn.Module, student: nn.Module) -> None:
    """Give the writer the student's present weights, in the writer's own precision.

    A sampled token costs one reading of all weights, and under autocast their conversion too. A copy that is converted
    once in each step is read at half the size.
    """
    with torch.no_grad():
        for copied, weight in zip(writer.parameters(), student.parameters(), strict=True):
            copied.copy_(weight)


def mixed_batch(own: Tensor, given: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """Rows `(B, S)`, each the student's own with probability `share` (GKD's λ), else the given one at its place.

    GKD's algorithm 1 draws once for a whole batch; here each row is drawn independently, with the same expectation.
    Raises ValueError unless own and given have one shape, and share is between 0 and 1.
    """
    if own.shape != given.shape:
        raise ValueError(f"given has shape {tuple(given.shape)}; it must have the shape of own, {tuple(own.shape)}")
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; it must be between 0 (given rows only) and 1 (own rows only)")
    is_own = torch.rand(len(own), generator=generator).to(own.device) < share
    return torch.where(is_own[:, None], own, given)


def first_impossible_word(language: KnownLanguage, rows: Tensor) -> Tensor:
    """The position in each row of the first token that the language cannot have there, or the row's length; `(B,)`.

    rows: `(B, S)`, each beginning with the end-of-text token, after which a story starts. An end-of-text token inside
    an unfinished story is impossible like any other wrong token. Raises ValueError if a row begins otherwise.
    """
    if (rows[:, 0] != language.eos).any():
        raise ValueError("rows must begin with the end-of-text token")
    first = torch.full((len(rows),), rows.shape[1])
    state = torch.full((len(rows),), language.start)
    for position in range(1, rows.shape[1]):
        state = language.next_state[state, rows[:, position].cpu()]
        first = torch.where((state < 0) & (first > position), position, first)
        state = state.clamp(min=0)  # any state: what follows an impossible token is not looked at
    return first
