"""Common mistakes in lab 08, each with the explanation that a student gets.

Each makes one mistake and is otherwise correct; none validates its input. Its source could be in a student's notebook:
it uses only the names of the lab's setup cell and of earlier exercises, which are defined correctly below. Students
never see this file.
"""

import torch

from helpers.grader.course.cases import misconception

ACCEPT, RESIDUAL, ROUND, FORMULA, SPEED, MODELS = (
    "Exercise 1 · Probability of acceptance",
    "Exercise 2 · The residual distribution",
    "Exercise 3 · Verifying a round",
    "Exercise 4 · Tokens in a round",
    "Exercise 5 · Speed-up",
    "Exercise 6 · A round with models",
)


# What the lab's setup cell defines, and the earlier exercises, correct except for validation.


def draw_token(probs, uniform):
    last = probs.nonzero()[-1]
    return torch.searchsorted(probs.cumsum(dim=0), uniform.view(1), right=True).minimum(last)


def acceptance(p, q):
    return torch.minimum(p, q).sum(dim=-1)


def residual(p, q):
    excess = (p - q).clamp(min=0)
    total = excess.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, excess / total.clamp(min=1e-30), p)


def verify(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if not uniforms[i] * q[i, token] < p[i, token]:
            return torch.cat([drafted[:i], draw_token(residual(p[i], q[i]), uniforms[gamma])])
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


def expected_tokens(acceptance, gamma):
    return gamma + 1.0 if acceptance == 1 else (1 - acceptance ** (gamma + 1)) / (1 - acceptance)


# ------------------------------------------------------------------------------------------------------ acceptance


@misconception(
    "acceptance", "This is the total variation, the probability of rejection. Acceptance is 1 minus it.", read=ACCEPT
)
def acceptance_total_variation(p, q):
    return 0.5 * (p - q).abs().sum(dim=-1)


@misconception("acceptance", "This is 1 - Σ |p - q|. The total variation is half of that sum.", read=ACCEPT)
def acceptance_without_half(p, q):
    return 1 - (p - q).abs().sum(dim=-1)


@misconception(
    "acceptance",
    "Σ p · q is how often two independent draws are the same token. Acceptance does not need the same token.",
    read=ACCEPT,
)
def acceptance_equal_tokens(p, q):
    return (p * q).sum(dim=-1)


@misconception(
    "acceptance", "You sum the larger of the two probabilities. Acceptance is limited by the smaller one.", read=ACCEPT
)
def acceptance_maximum(p, q):
    return torch.maximum(p, q).sum(dim=-1)


@misconception("acceptance", "You average over the vocabulary. Sum over it.", read=ACCEPT)
def acceptance_mean_over_vocabulary(p, q):
    return torch.minimum(p, q).mean(dim=-1)


@misconception("acceptance", "You average over positions too. Return one number for each position.", read=ACCEPT)
def acceptance_mean_over_positions(p, q):
    return torch.minimum(p, q).sum(dim=-1).mean()


@misconception("acceptance", "You only look at whether both have the same most likely token.", read=ACCEPT)
def acceptance_same_argmax(p, q):
    return (p.argmax(dim=-1) == q.argmax(dim=-1)).float()


@misconception(
    "acceptance",
    "min(1, p / q) is the acceptance of one given token. Weigh it by q, the probability that the draft proposes it.",
    read=ACCEPT,
)
def acceptance_unweighted_ratio(p, q):
    return (p / q.clamp(min=1e-30)).clamp(max=1).mean(dim=-1)


# -------------------------------------------------------------------------------------------------------- residual


@misconception("residual", "You do not normalise: the residual has to sum to 1.", read=RESIDUAL)
def residual_not_normalised(p, q):
    excess = (p - q).clamp(min=0)
    return torch.where(excess.sum(dim=-1, keepdim=True) > 0, excess, p)


@misconception(
    "residual", "You take |p - q|. Where q is larger than p, the draft proposes enough: 0 is left.", read=RESIDUAL
)
def residual_absolute(p, q):
    excess = (p - q).abs()
    total = excess.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, excess / total.clamp(min=1e-30), p)


@misconception(
    "residual", "You exchange p and q: what is missing is what the target has and the draft lacks.", read=RESIDUAL
)
def residual_exchanged(p, q):
    excess = (q - p).clamp(min=0)
    total = excess.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, excess / total.clamp(min=1e-30), p)


@misconception("residual", "Where p equals q you divide 0 by 0. Return p there.", read=RESIDUAL)
def residual_nan_where_equal(p, q):
    excess = (p - q).clamp(min=0)
    return excess / excess.sum(dim=-1, keepdim=True)


@misconception(
    "residual", "Where p equals q you return zeros, which is no distribution. Return p there.", read=RESIDUAL
)
def residual_zero_where_equal(p, q):
    excess = (p - q).clamp(min=0)
    return excess / excess.sum(dim=-1, keepdim=True).clamp(min=1e-12)


@misconception(
    "residual",
    "You look at all positions at once to see whether p equals q. Decide it for each position.",
    read=RESIDUAL,
)
def residual_equal_only_everywhere(p, q):
    if torch.equal(p, q):
        return p
    excess = (p - q).clamp(min=0)
    return excess / excess.sum(dim=-1, keepdim=True).clamp(min=1e-12)


@misconception(
    "residual", "You normalise over all positions together. Each position is a distribution of its own.", read=RESIDUAL
)
def residual_normalised_together(p, q):
    excess = (p - q).clamp(min=0)
    total = excess.sum()
    return torch.where(excess.sum(dim=-1, keepdim=True) > 0, excess / total.clamp(min=1e-30), p)


@misconception(
    "residual", "You apply a softmax. Divide by the sum: a softmax gives probability to what has none.", read=RESIDUAL
)
def residual_softmax(p, q):
    excess = (p - q).clamp(min=0)
    return torch.where(excess.sum(dim=-1, keepdim=True) > 0, excess.softmax(dim=-1), p)


@misconception("residual", "You return p. What the draft has already covered would then come too often.", read=RESIDUAL)
def residual_is_p(p, q):
    return p.clone()


# ---------------------------------------------------------------------------------------------------------- verify


@misconception(
    "verify",
    "You replace a rejected token with one from p. Then tokens that the draft proposes often come too often: use the "
    "residual.",
    read=ROUND,
)
def verify_replaces_from_p(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if not uniforms[i] * q[i, token] < p[i, token]:
            return torch.cat([drafted[:i], draw_token(p[i], uniforms[gamma])])
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


@misconception(
    "verify", "You leave out the token after the last accepted one: every round gives one token more.", read=ROUND
)
def verify_no_bonus(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if not uniforms[i] * q[i, token] < p[i, token]:
            return torch.cat([drafted[:i], draw_token(residual(p[i], q[i]), uniforms[gamma])])
    return drafted


@misconception("verify", "You drop a rejected token without a replacement. Draw one from the residual.", read=ROUND)
def verify_no_replacement(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if not uniforms[i] * q[i, token] < p[i, token]:
            return drafted[:i]
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


@misconception("verify", "You keep the rejected token beside its replacement.", read=ROUND)
def verify_keeps_rejected(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if not uniforms[i] * q[i, token] < p[i, token]:
            return torch.cat([drafted[: i + 1], draw_token(residual(p[i], q[i]), uniforms[gamma])])
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


@misconception(
    "verify",
    "You go on after a rejection. Later tokens were drafted after the rejected one, so the round ends there.",
    read=ROUND,
)
def verify_goes_on(p, q, drafted, uniforms):
    gamma, tokens = len(drafted), []
    for i, token in enumerate(drafted):
        accepted = uniforms[i] * q[i, token] < p[i, token]
        tokens.append(token.view(1) if accepted else draw_token(residual(p[i], q[i]), uniforms[gamma]))
    return torch.cat([*tokens, draw_token(p[gamma], uniforms[gamma])])


@misconception("verify", "You compare with q / p. A token is accepted with probability p / q.", read=ROUND)
def verify_ratio_inverted(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if not uniforms[i] * p[i, token] < q[i, token]:
            return torch.cat([drafted[:i], draw_token(residual(p[i], q[i]), uniforms[gamma])])
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


@misconception(
    "verify",
    "You accept a token only where the target finds it at least as likely as the draft. Where p is smaller, accept it "
    "with probability p / q.",
    read=ROUND,
)
def verify_no_chance(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if p[i, token] < q[i, token]:
            return torch.cat([drafted[:i], draw_token(residual(p[i], q[i]), uniforms[gamma])])
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


@misconception(
    "verify",
    "You accept a token where it equals the target's most likely one. That rule does not keep the target's "
    "distribution.",
    read=ROUND,
)
def verify_equal_tokens(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if token != p[i].argmax():
            return torch.cat([drafted[:i], draw_token(residual(p[i], q[i]), uniforms[gamma])])
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


@misconception(
    "verify", "You take the most likely token of the residual. Draw one from it, with the last uniform.", read=ROUND
)
def verify_argmax_replacement(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if not uniforms[i] * q[i, token] < p[i, token]:
            return torch.cat([drafted[:i], residual(p[i], q[i]).argmax().view(1)])
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


@misconception(
    "verify",
    "You draw the replacement with the uniform that has just rejected a token. That one is large for a reason: use the "
    "last one.",
    read=ROUND,
)
def verify_uniform_twice(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if not uniforms[i] * q[i, token] < p[i, token]:
            return torch.cat([drafted[:i], draw_token(residual(p[i], q[i]), uniforms[i])])
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


@misconception(
    "verify",
    "After all γ tokens you draw from p at the last drafted position. The row for the token after it is p[γ].",
    read=ROUND,
)
def verify_bonus_one_early(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if not uniforms[i] * q[i, token] < p[i, token]:
            return torch.cat([drafted[:i], draw_token(residual(p[i], q[i]), uniforms[gamma])])
    return torch.cat([drafted, draw_token(p[max(gamma - 1, 0)], uniforms[gamma])])


@misconception(
    "verify",
    "With a uniform of 0 you accept a token that the target never gives. The comparison is strict: below, not at most.",
    read=ROUND,
)
def verify_accepts_impossible(p, q, drafted, uniforms):
    gamma = len(drafted)
    for i, token in enumerate(drafted):
        if not uniforms[i] * q[i, token] <= p[i, token]:
            return torch.cat([drafted[:i], draw_token(residual(p[i], q[i]), uniforms[gamma])])
    return torch.cat([drafted, draw_token(p[gamma], uniforms[gamma])])


# ------------------------------------------------------------------------------------------------- expected_tokens


@misconception(
    "expected_tokens", "You count the accepted drafted tokens only. Each round gives one token more.", read=FORMULA
)
def expected_drafted_only(acceptance, gamma):
    return sum(acceptance**n for n in range(1, gamma + 1)) + 0.0


@misconception(
    "expected_tokens",
    "You treat the γ tokens as separate. A token counts only if all before it were accepted.",
    read=FORMULA,
)
def expected_no_chain(acceptance, gamma):
    return 1 + gamma * acceptance + 0.0


@misconception(
    "expected_tokens", "At an acceptance of 1 you divide by 0. All γ are accepted, and one more comes.", read=FORMULA
)
def expected_divides_by_zero(acceptance, gamma):
    return (1 - acceptance ** (gamma + 1)) / (1 - acceptance)


@misconception("expected_tokens", "The exponent is γ + 1: γ drafted tokens and one more.", read=FORMULA)
def expected_exponent_gamma(acceptance, gamma):
    return float(gamma) if acceptance == 1 else (1 - acceptance**gamma) / (1 - acceptance)


@misconception(
    "expected_tokens", "1 / (1 - a) is the limit for endless drafts. A round ends after γ tokens.", read=FORMULA
)
def expected_endless(acceptance, gamma):
    return gamma + 1.0 if acceptance == 1 else 1 / (1 - acceptance)


@misconception(
    "expected_tokens", "At an acceptance of 1 you return γ. All γ are accepted, and one more comes.", read=FORMULA
)
def expected_no_bonus_at_one(acceptance, gamma):
    return float(gamma) if acceptance == 1 else (1 - acceptance ** (gamma + 1)) / (1 - acceptance)


@misconception(
    "expected_tokens", "You take the probability of a rejection, 1 - a, where that of acceptance is due.", read=FORMULA
)
def expected_of_rejection(acceptance, gamma):
    return gamma + 1.0 if acceptance == 0 else (1 - (1 - acceptance) ** (gamma + 1)) / acceptance


@misconception(
    "expected_tokens",
    "You count all γ tokens or none. A round that is rejected halfway keeps the tokens before the rejection.",
    read=FORMULA,
)
def expected_all_or_nothing(acceptance, gamma):
    return 1.0 + gamma * acceptance**gamma


# -------------------------------------------------------------------------------------------------------- speed_up


@misconception(
    "speed_up",
    "You leave out the target's own call. A round costs one call of the target and γ of the draft.",
    read=SPEED,
)
def speed_up_draft_time_only(acceptance, gamma, cost):
    return expected_tokens(acceptance, gamma) / max(gamma * cost, 1e-9)


@misconception(
    "speed_up", "You leave out what the draft costs. More tokens a round are not yet a speed-up.", read=SPEED
)
def speed_up_free_draft(acceptance, gamma, cost):
    return expected_tokens(acceptance, gamma)


@misconception("speed_up", "You count one call of the draft. It is called once for each of the γ tokens.", read=SPEED)
def speed_up_one_draft_call(acceptance, gamma, cost):
    return expected_tokens(acceptance, gamma) / (1 + cost)


@misconception(
    "speed_up", "You count γ + 1 calls of the draft. The last token of a round comes from the target.", read=SPEED
)
def speed_up_extra_draft_call(acceptance, gamma, cost):
    return expected_tokens(acceptance, gamma) / (1 + (gamma + 1) * cost)


@misconception(
    "speed_up",
    "You return time for each token. The speed-up is the other way round: tokens for each unit of time.",
    read=SPEED,
)
def speed_up_inverted(acceptance, gamma, cost):
    return (1 + gamma * cost) / expected_tokens(acceptance, gamma)


# ------------------------------------------------------------------------------------------------------- speculate


def next_token_probs(model, tokens):
    with torch.no_grad():
        row = tokens[None]
        return model(row, attention_mask=torch.ones_like(row)).logits[0].float().softmax(dim=-1)


def drafted_tokens(draft, prefix, gamma, generator):
    tokens, rows = prefix, []
    for _ in range(gamma):
        rows.append(next_token_probs(draft, tokens)[-1])
        tokens = torch.cat([tokens, torch.multinomial(rows[-1], 1, generator=generator)])
    return tokens, rows


def finished(p, rows, drafted, uniforms):
    return verify(p, torch.stack(rows) if rows else p[:0], drafted, uniforms)


@misconception("speculate", "You return the prefix too. Return the new tokens only.", read=MODELS)
def speculate_with_prefix(target, draft, prefix, gamma, generator):
    tokens, rows = drafted_tokens(draft, prefix, gamma, generator)
    p = next_token_probs(target, tokens)[len(prefix) - 1 :]
    new = finished(p, rows, tokens[len(prefix) :], torch.rand(gamma + 1, generator=generator))
    return torch.cat([prefix, new])


@misconception(
    "speculate",
    "Your rows of p begin one position late. The distribution for the first new token is at the prefix's last token.",
    read=MODELS,
)
def speculate_one_late(target, draft, prefix, gamma, generator):
    tokens, rows = drafted_tokens(draft, prefix, gamma, generator)
    p = next_token_probs(target, tokens)[len(prefix) :]
    p = torch.cat([p, p[-1:]]) if len(p) else next_token_probs(target, tokens)[-1:]
    return finished(p, rows, tokens[len(prefix) :], torch.rand(gamma + 1, generator=generator))


@misconception(
    "speculate",
    "You draft every token after the same prefix. Each has to be drafted after the one before it.",
    read=MODELS,
)
def speculate_drafts_in_parallel(target, draft, prefix, gamma, generator):
    q = next_token_probs(draft, prefix)[-1]
    drafted = [torch.multinomial(q, 1, generator=generator) for _ in range(gamma)]
    tokens = torch.cat([prefix, *drafted])
    p = next_token_probs(target, tokens)[len(prefix) - 1 :]
    return finished(p, [q] * gamma, tokens[len(prefix) :], torch.rand(gamma + 1, generator=generator))


@misconception(
    "speculate",
    "You draft the most likely token. The rule of acceptance needs tokens that are drawn from q.",
    read=MODELS,
)
def speculate_drafts_argmax(target, draft, prefix, gamma, generator):
    tokens, rows = prefix, []
    for _ in range(gamma):
        rows.append(next_token_probs(draft, tokens)[-1])
        tokens = torch.cat([tokens, rows[-1].argmax().view(1)])
    p = next_token_probs(target, tokens)[len(prefix) - 1 :]
    return finished(p, rows, tokens[len(prefix) :], torch.rand(gamma + 1, generator=generator))


@misconception(
    "speculate", "You exchange target and draft: the small model proposes, the large one decides.", read=MODELS
)
def speculate_exchanged(target, draft, prefix, gamma, generator):
    tokens, rows = drafted_tokens(target, prefix, gamma, generator)
    p = next_token_probs(draft, tokens)[len(prefix) - 1 :]
    return finished(p, rows, tokens[len(prefix) :], torch.rand(gamma + 1, generator=generator))


@misconception(
    "speculate", "You draw the uniforms before the draft's tokens. The text asks for the other order.", read=MODELS
)
def speculate_uniforms_first(target, draft, prefix, gamma, generator):
    uniforms = torch.rand(gamma + 1, generator=generator)
    tokens, rows = drafted_tokens(draft, prefix, gamma, generator)
    p = next_token_probs(target, tokens)[len(prefix) - 1 :]
    return finished(p, rows, tokens[len(prefix) :], uniforms)


@misconception(
    "speculate", "You accept everything that the draft proposes, so the target's distribution is lost.", read=MODELS
)
def speculate_accepts_all(target, draft, prefix, gamma, generator):
    tokens, rows = drafted_tokens(draft, prefix, gamma, generator)
    p = next_token_probs(target, tokens)[-1]
    uniforms = torch.rand(gamma + 1, generator=generator)
    return torch.cat([tokens[len(prefix) :], draw_token(p, uniforms[gamma])])


@misconception("speculate", "You leave the softmax out and verify logits.", read=MODELS)
def speculate_logits(target, draft, prefix, gamma, generator):
    tokens, rows = drafted_tokens(draft, prefix, gamma, generator)
    with torch.no_grad():
        row = tokens[None]
        logits = target(row, attention_mask=torch.ones_like(row)).logits[0].float()
    p = logits[len(prefix) - 1 :]
    return finished(p, rows, tokens[len(prefix) :], torch.rand(gamma + 1, generator=generator))


# ----------------------------------------------------------------------------------------------------------- quizzes

QUIZZES = {
    "terrible_draft": {
        "A": "Nonsense is accepted only as often as the target would have written it, and that is hardly ever.",
        "B": "Right. The proof does not ask what q is. Nearly every round gives one token, in more time.",
        "C": "The residual takes out just what the draft added, so nothing of the draft's distribution is left.",
    },
    "two_temperatures": {
        "A": "The proof needs each drafted token to be drawn from the q that is compared. Here it was not.",
        "B": "Right. Tokens are accepted with p / q for a q that they do not come from, so the sums no longer give p.",
        "C": "More tokens are accepted here, not fewer, and the likely ones come out too often.",
    },
    "three_times": {
        "A": "That leaves out the draft: four calls of it take as long as two calls of the target.",
        "B": "A round has four calls of the draft, not one. How long does it take, and how many tokens does it give?",
        "C": "Right. A round takes 1 + 4 · 0.5 = 3 calls of the target and gives three tokens: the speed-up is 1.",
    },
    "free_control": {
        "A": "An interval would be good to have. It does not say whether the training was needed for the speed.",
        "B": "Right. Where much is repeated, a free draft may be as fast. Only this run shows what training adds.",
        "C": "That is another claim. This one is about their own model and benchmark.",
        "D": "The rule of acceptance guarantees that, if it is written correctly. The claim is about training a draft.",
    },
}
