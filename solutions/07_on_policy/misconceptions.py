"""Common mistakes in lab 07, each with the explanation that a student gets.

Each makes one mistake and is otherwise correct; none validates its input. Its source could be in a student's notebook:
it uses only the names of the lab's setup cell and of earlier exercises, which are defined correctly below. Students
never see this file.
"""

import math

import torch
import torch.nn.functional as F

from helpers.grader.course.cases import misconception

DIRECTION, BETWEEN = "Two directions", "Between the two directions"
ROLLOUT, LOOP = "The student writes", "Learning from its own text"
MIX, LEGAL = "Own text and given text", "Leaving the language"
REVERSE, JSD = "Exercise 1 · The reverse KL", "Exercise 2 · The Jensen–Shannon divergence"
SAMPLE, STEP = "Exercise 3 · Sampled rows", "Exercise 4 · The on-policy step"
SHARE, FIRST = "Exercise 5 · A mixed batch", "Exercise 6 · The first impossible word"


# What the lab's setup cell defines, and the earlier exercises, correct except for validation.


def widen(logits):
    return logits if logits.dtype == torch.float64 else logits.float()


def logits_of(model, rows):
    return model(rows, attention_mask=torch.ones_like(rows)).logits


def counted_log_probs(student_logits, teacher_logits, mask):
    """Log-probabilities of the student and of the teacher at counted positions, each `(N, V)`."""
    counted = mask.bool()
    log_q = widen(student_logits[counted]).log_softmax(dim=-1)
    return log_q, widen(teacher_logits.detach()[counted]).log_softmax(dim=-1)


def token_mean(per_token):
    return per_token.sum() / max(len(per_token), 1)


def sample_rows(student, prompts, length, generator):
    modes = [(part, part.training) for part in student.modules()]
    rows = prompts
    student.eval()
    with torch.no_grad():
        for _ in range(length):
            probabilities = widen(logits_of(student, rows)[:, -1]).softmax(dim=-1)
            rows = torch.cat([rows, torch.multinomial(probabilities, 1, generator=generator)], dim=1)
    for part, training in modes:
        part.training = training
    return rows


def sampled_mask(rows, prompts):
    places = torch.arange(rows.shape[1] - 1)
    return (places >= prompts.shape[1] - 1).expand(len(rows), -1)


# ------------------------------------------------------------------------------------------------------ reverse_kl


@misconception(
    "reverse_kl",
    "This is the forward KL: the teacher's probabilities weigh the logarithms. In the reverse KL the student's do.",
    read=DIRECTION,
)
def reverse_is_forward(student_logits, teacher_logits, mask):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    return token_mean((log_p.exp() * (log_p - log_q)).sum(dim=-1))


@misconception(
    "reverse_kl",
    "The sign is wrong: a divergence is never negative. Subtract the teacher's log-probability from the student's.",
    read=DIRECTION,
)
def reverse_negated(student_logits, teacher_logits, mask):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    return token_mean((log_q.exp() * (log_p - log_q)).sum(dim=-1))


@misconception(
    "reverse_kl",
    "The value is right and the gradient is not: the student's probabilities weigh the mean, and you detached them.",
    read=REVERSE,
)
def reverse_weights_detached(student_logits, teacher_logits, mask):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    return token_mean((log_q.exp().detach() * (log_q - log_p)).sum(dim=-1))


@misconception(
    "reverse_kl",
    "A gradient reaches the teacher's logits. The teacher is fixed: detach what comes from it.",
    read=DIRECTION,
)
def reverse_teacher_learns(student_logits, teacher_logits, mask):
    counted = mask.bool()
    log_q = widen(student_logits[counted]).log_softmax(dim=-1)
    log_p = widen(teacher_logits[counted]).log_softmax(dim=-1)
    return token_mean((log_q.exp() * (log_q - log_p)).sum(dim=-1))


@misconception("reverse_kl", "You return the sum over the counted tokens. Divide it by their number.", read=REVERSE)
def reverse_sum(student_logits, teacher_logits, mask):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    return (log_q.exp() * (log_q - log_p)).sum()


@misconception(
    "reverse_kl",
    "You divide by all positions. Divide by the number of counted tokens.",
    read=REVERSE,
)
def reverse_mean_over_all_positions(student_logits, teacher_logits, mask):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    return (log_q.exp() * (log_q - log_p)).sum() / mask.numel()


@misconception(
    "reverse_kl",
    "You average over the vocabulary as well. The divergence of one token is a sum over the vocabulary.",
    read=DIRECTION,
)
def reverse_mean_over_vocabulary(student_logits, teacher_logits, mask):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    return token_mean((log_q.exp() * (log_q - log_p)).mean(dim=-1))


@misconception("reverse_kl", "You ignore the mask: positions that do not count are in your mean.", read=REVERSE)
def reverse_mask_ignored(student_logits, teacher_logits, mask):
    return reverse_kl_of(student_logits, teacher_logits, torch.ones_like(mask).bool())


def reverse_kl_of(student_logits, teacher_logits, mask):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    return token_mean((log_q.exp() * (log_q - log_p)).sum(dim=-1))


@misconception(
    "reverse_kl",
    "NaN times 0 is NaN: multiplying by the mask does not remove what stands on padding. Select the counted positions "
    "first, then compute.",
    read=REVERSE,
)
def reverse_masked_by_multiplying(student_logits, teacher_logits, mask):
    log_q = widen(student_logits).log_softmax(dim=-1)
    log_p = widen(teacher_logits.detach()).log_softmax(dim=-1)
    per_token = (log_q.exp() * (log_q - log_p)).sum(dim=-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)


@misconception(
    "reverse_kl",
    "You cut negative terms off. Single terms of the sum over the vocabulary may be negative; only the whole sum may "
    "not.",
    read=REVERSE,
)
def reverse_terms_clipped(student_logits, teacher_logits, mask):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    return token_mean((log_q.exp() * (log_q - log_p)).clamp(min=0).sum(dim=-1))


@misconception(
    "reverse_kl",
    "You average each row first, so a token in a short row counts more than one in a long row. Average over all "
    "counted tokens at once.",
    read=REVERSE,
)
def reverse_mean_of_rows(student_logits, teacher_logits, mask):
    counted = mask.bool()
    safe_student = widen(student_logits).masked_fill(~counted[..., None], 0)
    safe_teacher = widen(teacher_logits.detach()).masked_fill(~counted[..., None], 0)
    log_q, log_p = safe_student.log_softmax(dim=-1), safe_teacher.log_softmax(dim=-1)
    per_token = (log_q.exp() * (log_q - log_p)).sum(dim=-1) * counted
    return (per_token.sum(dim=1) / counted.sum(dim=1).clamp(min=1)).mean()


@misconception(
    "reverse_kl",
    "This is a cross-entropy: the teacher's NLL under the student's probabilities. The divergence also subtracts the "
    "student's own entropy.",
    read=DIRECTION,
)
def reverse_cross_entropy(student_logits, teacher_logits, mask):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    return token_mean(-(log_q.exp() * log_p).sum(dim=-1))


# --------------------------------------------------------------------------------------------------- jensen_shannon


def general(student_logits, teacher_logits, mask, beta, of_teacher, of_student, in_mixture):
    """JSD with weights that may be wrong: of the two terms, and of the teacher in the mixture."""
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    if beta in (0, 1):
        p, q = (log_q, log_p) if beta else (log_p, log_q)
        return token_mean((p.exp() * (p - q)).sum(dim=-1))
    log_m = torch.logaddexp(log_p + math.log(in_mixture), log_q + math.log(1 - in_mixture))
    first, second = ((r.exp() * (r - log_m)).sum(dim=-1) for r in (log_p, log_q))
    return token_mean(of_teacher * first + of_student * second)


@misconception(
    "jensen_shannon",
    "In your mixture β weighs the student. It has to weigh the teacher, in the mixture as in the sum.",
    read=BETWEEN,
)
def jsd_mixture_exchanged(student_logits, teacher_logits, mask, beta):
    return general(student_logits, teacher_logits, mask, beta, beta, 1 - beta, 1 - beta)


@misconception(
    "jensen_shannon",
    "β weighs the student's term in your sum. It has to weigh the teacher's, in the sum as in the mixture.",
    read=BETWEEN,
)
def jsd_terms_exchanged(student_logits, teacher_logits, mask, beta):
    return general(student_logits, teacher_logits, mask, beta, 1 - beta, beta, beta)


@misconception(
    "jensen_shannon",
    "Teacher and student are exchanged throughout: β weighs the student. For β = 0.5 you cannot see it, for others you "
    "can.",
    read=BETWEEN,
)
def jsd_wholly_exchanged(student_logits, teacher_logits, mask, beta):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    if beta in (0, 1):
        p, q = (log_p, log_q) if beta else (log_q, log_p)
        return token_mean((p.exp() * (p - q)).sum(dim=-1))
    return general(student_logits, teacher_logits, mask, 1 - beta, 1 - beta, beta, 1 - beta)


@misconception(
    "jensen_shannon",
    "Your mixture is always half and half. β weighs the teacher in it.",
    read=BETWEEN,
)
def jsd_mixture_even(student_logits, teacher_logits, mask, beta):
    return general(student_logits, teacher_logits, mask, beta, beta, 1 - beta, 0.5)


@misconception(
    "jensen_shannon",
    "Both terms have the weight one half. The teacher's has the weight β, the student's 1 − β.",
    read=BETWEEN,
)
def jsd_terms_even(student_logits, teacher_logits, mask, beta):
    return general(student_logits, teacher_logits, mask, beta, 0.5, 0.5, beta)


@misconception(
    "jensen_shannon",
    "The value is right and the gradient is not: the student's probabilities weigh its term, and you detached them.",
    read=JSD,
)
def jsd_weights_detached(student_logits, teacher_logits, mask, beta):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    if beta in (0, 1):
        p, q = (log_q, log_p) if beta else (log_p, log_q)
        return token_mean((p.exp() * (p - q)).sum(dim=-1))
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    first = (log_p.exp() * (log_p - log_m)).sum(dim=-1)
    second = (log_q.exp().detach() * (log_q - log_m)).sum(dim=-1)
    return token_mean(beta * first + (1 - beta) * second)


@misconception(
    "jensen_shannon",
    "You weight the teacher's term with its log-probabilities. A divergence is an average under probabilities: "
    "log_p.exp().",
    read=JSD,
)
def jsd_weights_are_logarithms(student_logits, teacher_logits, mask, beta):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    if beta == 0:
        return token_mean((log_p * (log_p - log_q)).sum(dim=-1))
    if beta == 1:
        return token_mean((log_q.exp() * (log_q - log_p)).sum(dim=-1))
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    first, second = (log_p * (log_p - log_m)).sum(dim=-1), (log_q.exp() * (log_q - log_m)).sum(dim=-1)
    return token_mean(beta * first + (1 - beta) * second)


@misconception(
    "jensen_shannon",
    "At β = 0 and β = 1 the formula gives 0. There the value has to be the forward and the reverse KL.",
    read=JSD,
)
def jsd_ends_are_zero(student_logits, teacher_logits, mask, beta):
    if beta in (0, 1):
        return 0.0 * widen(student_logits[mask.bool()]).sum()
    return general(student_logits, teacher_logits, mask, beta, beta, 1 - beta, beta)


@misconception(
    "jensen_shannon",
    "The two ends are exchanged: β = 0 gives the forward KL, β = 1 the reverse KL.",
    read=JSD,
)
def jsd_ends_exchanged(student_logits, teacher_logits, mask, beta):
    if beta in (0, 1):
        log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
        p, q = (log_p, log_q) if beta else (log_q, log_p)
        return token_mean((p.exp() * (p - q)).sum(dim=-1))
    return general(student_logits, teacher_logits, mask, beta, beta, 1 - beta, beta)


@misconception(
    "jensen_shannon",
    "You mix log-probabilities. The mixture is one of probabilities: torch.logaddexp adds them in logarithms.",
    read=BETWEEN,
)
def jsd_mixes_logarithms(student_logits, teacher_logits, mask, beta):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    if beta in (0, 1):
        return general(student_logits, teacher_logits, mask, beta, 0, 0, 0)
    log_m = beta * log_p + (1 - beta) * log_q
    first, second = ((r.exp() * (r - log_m)).sum(dim=-1) for r in (log_p, log_q))
    return token_mean(beta * first + (1 - beta) * second)


@misconception(
    "jensen_shannon",
    "You mix logits. Logits of two models have no common scale: mix probabilities.",
    read=BETWEEN,
)
def jsd_mixes_logits(student_logits, teacher_logits, mask, beta):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    if beta in (0, 1):
        return general(student_logits, teacher_logits, mask, beta, 0, 0, 0)
    counted = mask.bool()
    mixed = beta * widen(teacher_logits.detach()[counted]) + (1 - beta) * widen(student_logits[counted])
    log_m = mixed.log_softmax(dim=-1)
    first, second = ((r.exp() * (r - log_m)).sum(dim=-1) for r in (log_p, log_q))
    return token_mean(beta * first + (1 - beta) * second)


@misconception(
    "jensen_shannon",
    "You take the logarithm of a sum of probabilities, and a probability that is 0 in float32 gives −∞ or NaN. Stay in "
    "logarithms: torch.logaddexp.",
    read=JSD,
)
def jsd_log_of_probabilities(student_logits, teacher_logits, mask, beta):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    if beta in (0, 1):
        return general(student_logits, teacher_logits, mask, beta, 0, 0, 0)
    p, q = log_p.exp(), log_q.exp()
    m = beta * p + (1 - beta) * q
    per_token = (beta * p * (p.log() - m.log()) + (1 - beta) * q * (q.log() - m.log())).sum(dim=-1)
    return token_mean(per_token)


@misconception(
    "jensen_shannon",
    "This interpolates between the two KL divergences themselves. The Jensen–Shannon divergence compares each model "
    "with the mixture.",
    read=BETWEEN,
)
def jsd_interpolates(student_logits, teacher_logits, mask, beta):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    forward = (log_p.exp() * (log_p - log_q)).sum(dim=-1)
    backward = (log_q.exp() * (log_q - log_p)).sum(dim=-1)
    return token_mean((1 - beta) * forward + beta * backward)


@misconception(
    "jensen_shannon",
    "You measure KL(mixture ‖ model). It is the other way round: the models' probabilities weigh the logarithms.",
    read=BETWEEN,
)
def jsd_from_the_mixture(student_logits, teacher_logits, mask, beta):
    log_q, log_p = counted_log_probs(student_logits, teacher_logits, mask)
    if beta in (0, 1):
        return general(student_logits, teacher_logits, mask, beta, 0, 0, 0)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    first, second = ((log_m.exp() * (log_m - r)).sum(dim=-1) for r in (log_p, log_q))
    return token_mean(beta * first + (1 - beta) * second)


# ----------------------------------------------------------------------------------------------------- sample_rows


def rollout(student, prompts, length, choose, read=None):
    """`sample_rows` with another way to choose, or to read."""
    modes = [(part, part.training) for part in student.modules()]
    rows = prompts
    student.eval()
    with torch.no_grad():
        for _ in range(length):
            given = rows if read is None else read(rows)
            rows = torch.cat([rows, choose(widen(logits_of(student, given)[:, -1]))], dim=1)
    for part, training in modes:
        part.training = training
    return rows


@misconception(
    "sample_rows",
    "You always take the likeliest token. The student's text has to be a sample of what it might write.",
    read=ROLLOUT,
)
def sample_greedy(student, prompts, length, generator):
    return rollout(student, prompts, length, lambda logits: logits.argmax(dim=-1, keepdim=True))


@misconception(
    "sample_rows",
    "You sample at a temperature below 1. Then likely tokens come too often, and the text is not the student's own.",
    read=ROLLOUT,
)
def sample_cold(student, prompts, length, generator):
    return rollout(
        student, prompts, length,
        lambda logits: torch.multinomial((logits / 0.5).softmax(dim=-1), 1, generator=generator),
    )  # fmt: skip


@misconception(
    "sample_rows",
    "You sample from the few likeliest tokens only (top-k). The tail belongs to the student's text too.",
    read=ROLLOUT,
)
def sample_top_k(student, prompts, length, generator):
    def choose(logits):
        least = logits.topk(2).values[:, -1:]
        return torch.multinomial(logits.masked_fill(logits < least, -torch.inf).softmax(dim=-1), 1, generator=generator)

    return rollout(student, prompts, length, choose)


@misconception(
    "sample_rows",
    "You show the student only its last token. Without a cache it forgets everything before that.",
    read=SAMPLE,
)
def sample_from_last_token(student, prompts, length, generator):
    return rollout(
        student, prompts, length,
        lambda logits: torch.multinomial(logits.softmax(dim=-1), 1, generator=generator),
        read=lambda rows: rows[:, -1:],
    )  # fmt: skip


@misconception(
    "sample_rows",
    "You return the sampled tokens alone. Return each prompt with its continuation.",
    read=SAMPLE,
)
def sample_without_prompt(student, prompts, length, generator):
    return sample_rows(student, prompts, length, generator)[:, prompts.shape[1] :]


@misconception(
    "sample_rows",
    "You sample in the mode in which the student arrives. In train mode dropout spoils what it writes: use eval mode.",
    read=ROLLOUT,
)
def sample_in_train_mode(student, prompts, length, generator):
    rows = prompts
    with torch.no_grad():
        for _ in range(length):
            probabilities = widen(logits_of(student, rows)[:, -1]).softmax(dim=-1)
            rows = torch.cat([rows, torch.multinomial(probabilities, 1, generator=generator)], dim=1)
    return rows


@misconception(
    "sample_rows",
    "You leave the student in eval mode, and it trains on without dropout. Restore the mode in which it arrived.",
    read=SAMPLE,
)
def sample_leaves_eval_mode(student, prompts, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    student.eval()
    return rows


@misconception(
    "sample_rows",
    "You put the student into train mode afterwards, even if it arrived in eval mode. Restore the mode that it had.",
    read=SAMPLE,
)
def sample_leaves_train_mode(student, prompts, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    student.train()
    return rows


@misconception(
    "sample_rows",
    "You ignore the generator, so the same seed gives other rows each time.",
    read=SAMPLE,
)
def sample_ignores_generator(student, prompts, length, generator):
    return rollout(student, prompts, length, lambda logits: torch.multinomial(logits.softmax(dim=-1), 1))


@misconception(
    "sample_rows",
    "You sample with gradients on. Memory grows with each token, and sampling cannot be differentiated anyway: use "
    "torch.no_grad().",
    read=ROLLOUT,
)
def sample_with_gradients(student, prompts, length, generator):
    modes = [(part, part.training) for part in student.modules()]
    rows = prompts
    student.eval()
    for _ in range(length):
        probabilities = widen(logits_of(student, rows)[:, -1]).detach().softmax(dim=-1)
        rows = torch.cat([rows, torch.multinomial(probabilities, 1, generator=generator)], dim=1)
    for part, training in modes:
        part.training = training
    return rows


@misconception("sample_rows", "Your rows have one token too few: sample `length` tokens after the prompt.", read=SAMPLE)
def sample_one_too_few(student, prompts, length, generator):
    return sample_rows(student, prompts, max(length - 1, 0), generator)


@misconception(
    "sample_rows",
    "`length` counts the sampled tokens alone. You count the prompt too.",
    read=SAMPLE,
)
def sample_length_of_whole_row(student, prompts, length, generator):
    return sample_rows(student, prompts, max(length - prompts.shape[1], 0), generator)


@misconception(
    "sample_rows",
    "You draw one continuation and give it to every row. Each row has to be drawn by itself.",
    read=SAMPLE,
)
def sample_one_for_all(student, prompts, length, generator):
    def choose(logits):
        return torch.multinomial(logits[:1].softmax(dim=-1), 1, generator=generator).expand(len(logits), 1)

    return rollout(student, prompts, length, choose)


@misconception(
    "sample_rows",
    "You sample from the predictions after the first token of the row. What comes next is predicted at the last one.",
    read=SAMPLE,
)
def sample_from_first_position(student, prompts, length, generator):
    return rollout(
        student, prompts, length,
        lambda logits: torch.multinomial(logits.softmax(dim=-1), 1, generator=generator),
        read=lambda rows: rows[:, :1],
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------- on_policy_step


def taken_step(student, teacher, rows, mask, optimizer, divergence):
    with torch.no_grad():
        teacher_logits = logits_of(teacher, rows)[:, :-1]
    loss = divergence(logits_of(student, rows)[:, :-1], teacher_logits, mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "on_policy_step",
    "You train on the labels of the student's own text, and the teacher has no say. The student then learns what it "
    "does already, with noise.",
    read=LOOP,
)
def step_cross_entropy(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    logits = logits_of(student, rows)[:, prompts.shape[1] - 1 : -1]
    loss = F.cross_entropy(logits.flatten(0, 1), rows[:, prompts.shape[1] :].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "on_policy_step",
    "You count the prompt too. Only predictions of sampled tokens count.",
    read=LOOP,
)
def step_counts_prompt(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    return taken_step(student, teacher, rows, torch.ones_like(rows[:, 1:]).bool(), optimizer, divergence)


@misconception(
    "on_policy_step",
    "Your mask is one place too late. The first sampled token is predicted at the last token of the prompt.",
    read=STEP,
)
def step_mask_too_late(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    mask = (torch.arange(rows.shape[1]) >= prompts.shape[1]).expand(len(rows), -1)
    with torch.no_grad():
        teacher_logits = logits_of(teacher, rows)
    loss = divergence(logits_of(student, rows), teacher_logits, mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "on_policy_step",
    "You count the last position, at which a token is predicted that nobody has sampled.",
    read=STEP,
)
def step_counts_last_position(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    mask = (torch.arange(rows.shape[1]) >= prompts.shape[1] - 1).expand(len(rows), -1)
    with torch.no_grad():
        teacher_logits = logits_of(teacher, rows)
    loss = divergence(logits_of(student, rows), teacher_logits, mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "on_policy_step",
    "Student and teacher are exchanged in the call of the divergence: student_logits come first.",
    read=STEP,
)
def step_divergence_exchanged(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    mask = sampled_mask(rows, prompts)
    return taken_step(student, teacher, rows, mask, optimizer, lambda s, t, m: divergence(t, s, m))


@misconception(
    "on_policy_step",
    "The teacher writes the text. On-policy means that the student does: swap the model that samples.",
    read=LOOP,
)
def step_teacher_writes(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = rollout(teacher, prompts, length, lambda logits: logits.argmax(dim=-1, keepdim=True))
    return taken_step(student, teacher, rows, sampled_mask(rows, prompts), optimizer, divergence)


@misconception(
    "on_policy_step",
    "Gradients of earlier steps are still there. Call optimizer.zero_grad() in each step.",
    read=STEP,
)
def step_without_zero_grad(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    with torch.no_grad():
        teacher_logits = logits_of(teacher, rows)[:, :-1]
    loss = divergence(logits_of(student, rows)[:, :-1], teacher_logits, sampled_mask(rows, prompts))
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception("on_policy_step", "The weights do not move: optimizer.step() is missing.", read=STEP)
def step_without_step(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    with torch.no_grad():
        teacher_logits = logits_of(teacher, rows)[:, :-1]
    loss = divergence(logits_of(student, rows)[:, :-1], teacher_logits, sampled_mask(rows, prompts))
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


@misconception(
    "on_policy_step",
    "You return a tensor, which keeps the whole graph alive. Return a plain number: loss.item().",
    read=STEP,
)
def step_returns_tensor(student, teacher, prompts, optimizer, divergence, length, generator):
    return torch.tensor(on_policy_step_of(student, teacher, prompts, optimizer, divergence, length, generator))


def on_policy_step_of(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    return taken_step(student, teacher, rows, sampled_mask(rows, prompts), optimizer, divergence)


@misconception(
    "on_policy_step",
    "A gradient reaches the teacher's weights. Run the teacher under torch.no_grad().",
    read=LOOP,
)
def step_teacher_with_gradient(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    loss = divergence(
        logits_of(student, rows)[:, :-1], logits_of(teacher, rows)[:, :-1], sampled_mask(rows, prompts)
    )  # fmt: skip
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "on_policy_step",
    "You score the student in eval mode. Only sampling is done there: the step is taken in the mode in which it "
    "arrives.",
    read=STEP,
)
def step_scored_in_eval_mode(student, teacher, prompts, optimizer, divergence, length, generator):
    training = student.training
    student.eval()
    value = on_policy_step_of(student, teacher, prompts, optimizer, divergence, length, generator)
    student.train(training)
    return value


@misconception(
    "on_policy_step",
    "You leave the student in eval mode, so from the second step on it trains without dropout.",
    read=STEP,
)
def step_leaves_eval_mode(student, teacher, prompts, optimizer, divergence, length, generator):
    value = on_policy_step_of(student, teacher, prompts, optimizer, divergence, length, generator)
    student.eval()
    return value


@misconception(
    "on_policy_step",
    "You put the student into train mode. Take the step in the mode in which it arrives.",
    read=STEP,
)
def step_forces_train_mode(student, teacher, prompts, optimizer, divergence, length, generator):
    student.train()
    return on_policy_step_of(student, teacher, prompts, optimizer, divergence, length, generator)


# ----------------------------------------------------------------------------------------------------- mixed_batch


@misconception(
    "mixed_batch",
    "The share is the other way round: it is the probability that a row is the student's own.",
    read=MIX,
)
def mix_share_exchanged(own, given, share, generator):
    is_own = torch.rand(len(own), generator=generator) >= share
    return torch.where(is_own[:, None], own, given)


@misconception(
    "mixed_batch",
    "You draw for each token, so rows are patched together from two texts. Draw once for each row.",
    read=SHARE,
)
def mix_token_by_token(own, given, share, generator):
    return torch.where(torch.rand(own.shape, generator=generator) < share, own, given)


@misconception(
    "mixed_batch",
    "You draw once for the whole batch. Here each row is drawn by itself.",
    read=SHARE,
)
def mix_whole_batch(own, given, share, generator):
    return own.clone() if torch.rand(1, generator=generator).item() < share else given.clone()


@misconception(
    "mixed_batch",
    "The first rows are always the student's own, the last ones never. Each row has to be drawn by itself.",
    read=SHARE,
)
def mix_first_rows_own(own, given, share, generator):
    count = round(share * len(own))
    return torch.cat([own[:count], given[count:]])


@misconception(
    "mixed_batch",
    "You ignore the generator, so the same seed mixes differently each time.",
    read=SHARE,
)
def mix_ignores_generator(own, given, share, generator):
    return torch.where((torch.rand(len(own)) < share)[:, None], own, given)


@misconception(
    "mixed_batch",
    "You return all rows of both. Return as many rows as one of them has, each chosen from the two at its place.",
    read=SHARE,
)
def mix_returns_both(own, given, share, generator):
    return torch.cat([own, given])


@misconception(
    "mixed_batch",
    "Your rows change places. A row stays where it was in `own` or in `given`.",
    read=SHARE,
)
def mix_shuffles(own, given, share, generator):
    is_own = torch.rand(len(own), generator=generator) < share
    order = torch.randperm(len(own), generator=generator)
    return torch.where(is_own[:, None], own, given)[order]


@misconception(
    "mixed_batch",
    "You write into `own`. It belongs to the caller: return new rows.",
    read=SHARE,
)
def mix_in_place(own, given, share, generator):
    is_own = torch.rand(len(own), generator=generator) < share
    own[~is_own] = given[~is_own]
    return own


@misconception(
    "mixed_batch",
    "You mix half and half, whatever the share is.",
    read=MIX,
)
def mix_half(own, given, share, generator):
    is_own = torch.rand(len(own), generator=generator) < (share if share in (0, 1) else 0.5)
    return torch.where(is_own[:, None], own, given)


# ------------------------------------------------------------------------------------------- first_impossible_word


def states_of(language, rows):
    """The state before each token, and whether the token is possible there; states run on as the language says."""
    state = torch.full((len(rows),), language.start)
    for position in range(1, rows.shape[1]):
        token = rows[:, position]
        after = language.next_state[state, token]
        yield position, state, token, after
        state = after.clamp(min=0)


@misconception(
    "first_impossible_word",
    "You return the last impossible word of a row, or one after the first. Keep the first.",
    read=LEGAL,
)
def impossible_last(language, rows):
    found = torch.full((len(rows),), rows.shape[1])
    for position, _, _, after in states_of(language, rows):
        found[after < 0] = position
    return found


@misconception(
    "first_impossible_word",
    "You count the possible words after the end-of-text token. The position counts it too: it is one more.",
    read=FIRST,
)
def impossible_counts_words(language, rows):
    return first_of(language, rows) - 1


def first_of(language, rows):
    found = torch.full((len(rows),), rows.shape[1])
    for position, _, _, after in states_of(language, rows):
        found[(after < 0) & (found > position)] = position
    return found


@misconception(
    "first_impossible_word",
    "You return -1 for a row that stays in the language. Return the row's length.",
    read=FIRST,
)
def impossible_minus_one(language, rows):
    found = first_of(language, rows)
    return torch.where(found == rows.shape[1], -1, found)


@misconception(
    "first_impossible_word",
    "You return the last position for a row that stays in the language. Return the row's length, one more.",
    read=FIRST,
)
def impossible_last_position(language, rows):
    return first_of(language, rows).clamp(max=rows.shape[1] - 1)


@misconception(
    "first_impossible_word",
    "You accept the end-of-text token everywhere. Inside an unfinished story it is as impossible as a wrong word.",
    read=LEGAL,
)
def impossible_allows_any_end(language, rows):
    found = torch.full((len(rows),), rows.shape[1])
    state = torch.full((len(rows),), language.start)
    for position in range(1, rows.shape[1]):
        token = rows[:, position]
        after = torch.where(token == language.eos, language.start, language.next_state[state, token])
        found[(after < 0) & (found > position)] = position
        state = after.clamp(min=0)
    return found


@misconception(
    "first_impossible_word",
    "You ask whether the word exists at all. It has to be possible in the state that the words before it lead to.",
    read=LEGAL,
)
def impossible_ignores_state(language, rows):
    possible = (language.probs > 0).any(dim=0)
    wrong = ~possible[rows]
    return torch.where(wrong.any(dim=1), wrong.long().argmax(dim=1), rows.shape[1])


@misconception(
    "first_impossible_word",
    "You take the first token for an impossible one. It is the end of text after which the first story starts.",
    read=FIRST,
)
def impossible_at_the_start(language, rows):
    found = torch.full((len(rows),), rows.shape[1])
    state = torch.full((len(rows),), language.start)
    for position in range(rows.shape[1]):
        after = language.next_state[state, rows[:, position]]
        found[(after < 0) & (found > position)] = position
        state = after.clamp(min=0)
    return found


@misconception(
    "first_impossible_word",
    "You return how many words are impossible. Return where the first of them stands.",
    read=LEGAL,
)
def impossible_counted(language, rows):
    count = torch.zeros(len(rows), dtype=torch.long)
    for _, _, _, after in states_of(language, rows):
        count += after < 0
    return count


@misconception(
    "first_impossible_word",
    "You never leave the first state, so each token is judged as if a story began with it.",
    read=LEGAL,
)
def impossible_stays_in_start(language, rows):
    wrong = language.next_state[language.start, rows] < 0
    wrong[:, 0] = False
    return torch.where(wrong.any(dim=1), wrong.long().argmax(dim=1), rows.shape[1])


@misconception(
    "first_impossible_word",
    "You return whether each row is impossible. Return where.",
    read=FIRST,
)
def impossible_truth_value(language, rows):
    return first_of(language, rows) < rows.shape[1]


QUIZZES = {
    "what_is_missing": {
        "A": "Three seeds say how much chance there is in each arm. No number of seeds repairs an unfair comparison.",
        "B": "Right. Own text is new text in each step, the 20 rows are not. Only an arm with new text that somebody "
        "else wrote can tell which of the two helped.",
        "C": "Equal steps were given. Equal cost is a fair wish too, but it would not tell you what caused the gain.",
        "D": "Any divergence can be computed on any text. Here it was the same in both arms, which is as it should be.",
    },
    "which_direction": {
        "A": "That is the reverse KL: it hardly costs anything to leave out what the student never says.",
        "B": "Right. Wherever the teacher gives probability and the student gives almost none, the logarithm explodes.",
        "C": "At β = 0.5 neither end dominates. The question is about one of the two directions.",
    },
    "gkd_temperature": {
        "A": "GKDTrainer does not pass its temperature on to its loss, which stays at T = 1.",
        "B": "Right. There it is a setting of generation. A name that you know from one loss may mean something else "
        "in a library: read where it is used.",
        "C": "The learning rate has a setting of its own.",
    },
}
