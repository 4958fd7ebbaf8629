"""Right answers to lab 08 in many forms, as students write them. Every one of them has to get full marks.

Each is the source of an exercise's cell; it sees the names of the lab's setup cells and of the earlier exercises.
VARIANTS_WITHOUT_VALIDATION are right but for the ValueErrors: they get three quarters.
"""

VARIANTS = {
    "acceptance": [
        # where one is smaller
        """
def acceptance(p, q):
    if p.size() != q.size():
        raise ValueError("shapes differ")
    return torch.where(p < q, p, q).sum(-1)
""",
        # the sum of both minus the sum of the larger
        """
def acceptance(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    return (p + q - torch.maximum(p, q)).sum(dim=-1)
""",
        # by the total variation
        """
def acceptance(p, q):
    if p.shape != q.shape:
        raise ValueError("p and q must have the same shape")
    return 1 - (p - q).abs().sum(-1) / 2
""",
        # by the ratio, weighed by q
        """
def acceptance(p, q):
    if p.size() != q.size():
        raise ValueError("shapes differ")
    ratio = torch.where(q > 0, p / q.clamp(min=1e-30), torch.zeros_like(p))
    return (q * ratio.clamp(max=1)).sum(dim=-1)
""",
        # torch.where
        """
def acceptance(p, q):
    if list(p.shape) != list(q.shape):
        raise ValueError("shapes differ")
    return torch.where(p < q, p, q).sum(-1)
""",
        # in float64
        """
def acceptance(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    return p.double().minimum(q.double()).sum(dim=-1)
""",
        # by what is missing
        """
def acceptance(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    return p.sum(-1) - (p - q).relu().sum(-1)
""",
        # stacked
        """
def acceptance(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    return torch.stack([p, q]).amin(dim=0).sum(dim=-1)
""",
    ],
    "residual": [
        # the larger of both, minus q
        """
def residual(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    rest = torch.maximum(p, q) - q
    total = rest.sum(dim=-1, keepdim=True)
    return torch.where(total == 0, p, rest / total)
""",
        # p takes the place of what is missing where nothing is
        """
def residual(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    rest = torch.clamp_min(p - q, 0)
    nothing = ~rest.any(dim=-1, keepdim=True)
    rest = torch.where(nothing, p, rest)
    return rest / rest.sum(dim=-1, keepdim=True)
""",
        # rows that are equal are filled in afterwards
        """
def residual(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    rest = (p - q).relu()
    total = rest.sum(-1, keepdim=True)
    result = rest / total
    equal = (total == 0).expand_as(p)
    result[equal] = p[equal]
    return result
""",
        # one minus the acceptance as the denominator, computed from the sum itself
        """
def residual(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    rest = p - torch.minimum(p, q)
    total = rest.sum(dim=-1, keepdim=True)
    safe = torch.where(total > 0, total, torch.ones_like(total))
    return torch.where(total > 0, rest / safe, p)
""",
        # nan_to_num and a mask by multiplying
        """
def residual(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    rest = torch.clamp(p - q, min=0.0)
    total = rest.sum(-1, keepdim=True)
    some = (total > 0).to(p.dtype)
    return torch.nan_to_num(rest / total) * some + p * (1 - some)
""",
        # row by row
        """
def residual(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    rows = []
    for a, b in zip(p.reshape(-1, p.shape[-1]), q.reshape(-1, q.shape[-1])):
        rest = (a - b).clamp(min=0)
        rows.append(a if rest.sum() == 0 else rest / rest.sum())
    return torch.stack(rows).reshape(p.shape)
""",
        # in float64
        """
def residual(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    p, q = p.double(), q.double()
    rest = (p - q).clamp(min=0)
    total = rest.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, rest / total, p)
""",
        # normalize, which divides by the norm of order 1
        """
def residual(p, q):
    if p.shape != q.shape:
        raise ValueError("shapes differ")
    rest = (p - q).relu()
    normal = torch.nn.functional.normalize(rest, p=1, dim=-1)
    return torch.where(rest.sum(-1, keepdim=True) == 0, p, normal)
""",
    ],
    "verify": [
        # the first rejection by argmax
        """
def verify(p, q, drafted, uniforms):
    n = len(drafted)
    if len(p) != n + 1 or len(q) != n or len(uniforms) != n + 1:
        raise ValueError("lengths")
    columns = drafted[:, None]
    rejected = uniforms[:n] * q.gather(1, columns)[:, 0] >= p[:n].gather(1, columns)[:, 0]
    if not rejected.any():
        return torch.cat([drafted, draw_token(p[n], uniforms[n])])
    k = int(rejected.int().argmax())
    return torch.cat([drafted[:k], draw_token(residual(p[k], q[k]), uniforms[n])])
""",
        # one loop over rows that belong together
        """
def verify(p, q, drafted, uniforms):
    if len(p) != len(drafted) + 1 or len(q) != len(drafted) or len(uniforms) != len(p):
        raise ValueError("lengths")
    kept, last = [], p[-1]
    for target, draft, token, uniform in zip(p, q, drafted, uniforms):
        if uniform * draft[token] < target[token]:
            kept.append(token)
        else:
            last = residual(target, draft)
            break
    end = draw_token(last, uniforms[-1])
    return torch.cat([torch.stack(kept), end]) if kept else end
""",
        # with a ratio; q is never 0 for a drafted token
        """
def verify(p, q, drafted, uniforms):
    n = drafted.shape[0]
    if p.shape[0] != n + 1 or q.shape[0] != n or uniforms.shape[0] != n + 1:
        raise ValueError("lengths")
    out = []
    for i in range(n):
        x = int(drafted[i])
        ratio = p[i, x] / q[i, x]
        if uniforms[i] < ratio:
            out.append(x)
            continue
        out.append(int(draw_token(residual(p[i], q[i]), uniforms[-1])))
        return torch.tensor(out)
    out.append(int(draw_token(p[n], uniforms[-1])))
    return torch.tensor(out)
""",
        # all at once
        """
def verify(p, q, drafted, uniforms):
    n = len(drafted)
    if len(p) != n + 1 or len(q) != n or len(uniforms) != n + 1:
        raise ValueError("lengths")
    at = torch.arange(n)
    accepted = uniforms[:n] * q[at, drafted] < p[at, drafted]
    k = int(accepted.long().cumprod(0).sum())
    source = p[n] if k == n else residual(p[k], q[k])
    return torch.cat([drafted[:k], draw_token(source, uniforms[n])])
""",
        # a while loop
        """
def verify(p, q, drafted, uniforms):
    n = len(drafted)
    if not (len(p) - 1 == len(q) == len(uniforms) - 1 == n):
        raise ValueError("lengths")
    k = 0
    while k < n and uniforms[k] * q[k][drafted[k]] < p[k][drafted[k]]:
        k += 1
    last = draw_token(residual(p[k], q[k]) if k < n else p[k], uniforms[-1])
    return torch.hstack((drafted[:k], last))
""",
        # for … else
        """
def verify(p, q, drafted, uniforms):
    n = len(drafted)
    if p.size(0) != n + 1 or q.size(0) != n or uniforms.size(0) != n + 1:
        raise ValueError("lengths")
    tokens = []
    for i in range(n):
        token = drafted[i].item()
        if uniforms[i].item() * q[i, token].item() >= p[i, token].item():
            tokens.append(draw_token(residual(p[i], q[i]), uniforms[n]).item())
            break
        tokens.append(token)
    else:
        tokens.append(draw_token(p[n], uniforms[n]).item())
    return torch.tensor(tokens, dtype=torch.long)
""",
        # q padded with zeros, whose residual with p is p itself
        """
def verify(p, q, drafted, uniforms):
    n = len(drafted)
    if len(p) != n + 1 or len(q) != n or len(uniforms) != n + 1:
        raise ValueError("lengths")
    padded = torch.cat([q, torch.zeros_like(p[:1])])
    k = 0
    for i in range(n):
        if uniforms[i] * q[i, drafted[i]] < p[i, drafted[i]]:
            k += 1
        else:
            break
    return torch.cat([drafted[:k], draw_token(residual(p[k], padded[k]), uniforms[n])])
""",
        # recursion
        """
def verify(p, q, drafted, uniforms):
    if len(p) != len(drafted) + 1 or len(q) != len(drafted) or len(uniforms) != len(drafted) + 1:
        raise ValueError("lengths")
    if len(drafted) == 0:
        return draw_token(p[0], uniforms[-1])
    if uniforms[0] * q[0, drafted[0]] < p[0, drafted[0]]:
        return torch.cat([drafted[:1], verify(p[1:], q[1:], drafted[1:], uniforms[1:])])
    return draw_token(residual(p[0], q[0]), uniforms[-1])
""",
    ],
    "expected_tokens": [
        # one minus a by one, in float64, where a is not 1
        """
def expected_tokens(acceptance, gamma):
    if gamma < 0 or not 0 <= acceptance <= 1:
        raise ValueError("out of range")
    rejected = 1 - acceptance
    return (1 - acceptance ** (gamma + 1)) / rejected if rejected else float(gamma + 1)
""",
        # the probability that a round has more than n tokens, added up
        """
def expected_tokens(acceptance, gamma):
    if gamma < 0 or acceptance < 0 or acceptance > 1:
        raise ValueError("out of range")
    return 1.0 + sum(acceptance ** (n + 1) for n in range(gamma))
""",
        # the formula
        """
def expected_tokens(acceptance, gamma):
    if acceptance < 0 or acceptance > 1 or gamma < 0:
        raise ValueError("out of range")
    if acceptance == 1:
        return gamma + 1
    return (1 - acceptance ** (gamma + 1)) / (1 - acceptance)
""",
        # Horner
        """
def expected_tokens(acceptance, gamma):
    if not 0 <= acceptance <= 1 or gamma < 0:
        raise ValueError("out of range")
    total = 1.0
    for _ in range(gamma):
        total = 1 + acceptance * total
    return total
""",
        # torch
        """
def expected_tokens(acceptance, gamma):
    if not (0 <= acceptance <= 1) or gamma < 0:
        raise ValueError("out of range")
    powers = torch.arange(gamma + 1, dtype=torch.float64)
    return torch.pow(torch.tensor(acceptance, dtype=torch.float64), powers).sum()
""",
        # by the probability of each length
        """
def expected_tokens(acceptance, gamma):
    if acceptance < 0 or acceptance > 1:
        raise ValueError("acceptance")
    if gamma < 0:
        raise ValueError("gamma")
    a = acceptance
    return sum(n * a ** (n - 1) * (1 - a) for n in range(1, gamma + 1)) + (gamma + 1) * a**gamma
""",
        # recursion
        """
def expected_tokens(acceptance, gamma):
    if not 0 <= acceptance <= 1 or gamma < 0:
        raise ValueError("out of range")
    return 1.0 if gamma == 0 else 1 + acceptance * expected_tokens(acceptance, gamma - 1)
""",
        # running product
        """
def expected_tokens(acceptance, gamma):
    if not 0 <= acceptance <= 1 or gamma < 0:
        raise ValueError("out of range")
    total, power = 0.0, 1.0
    for _ in range(gamma + 1):
        total, power = total + power, power * acceptance
    return total
""",
    ],
    "speed_up": [
        # numerator and denominator by name
        """
def speed_up(acceptance, gamma, cost):
    if cost < 0:
        raise ValueError("cost")
    tokens, calls_of_the_target = expected_tokens(acceptance, gamma), 1
    return tokens / (calls_of_the_target + gamma * cost)
""",
        # times in thousandths of a call
        """
def speed_up(acceptance, gamma, cost):
    if cost < 0:
        raise ValueError("cost")
    return 1000 * expected_tokens(acceptance, gamma) / (1000 + 1000 * cost * gamma)
""",
        # in one line, after the checks
        """
def speed_up(acceptance, gamma, cost):
    if cost < 0:
        raise ValueError("cost")
    return expected_tokens(acceptance, gamma) / (1 + cost * gamma)
""",
        # by the time of a round
        """
def speed_up(acceptance, gamma, cost):
    if not cost >= 0:
        raise ValueError("cost")
    tokens = expected_tokens(acceptance, gamma)
    seconds = 1.0
    for _ in range(gamma):
        seconds += cost
    return tokens / seconds
""",
        # by the time of a token
        """
def speed_up(acceptance, gamma, cost):
    if cost < 0:
        raise ValueError("cost")
    time_of_a_token = (gamma * cost + 1) / expected_tokens(acceptance, gamma)
    return 1 / time_of_a_token
""",
        # without the earlier exercise
        """
def speed_up(acceptance, gamma, cost):
    if cost < 0 or not 0 <= acceptance <= 1 or gamma < 0:
        raise ValueError("out of range")
    return sum(acceptance**n for n in range(gamma + 1)) / (1 + gamma * cost)
""",
        # numbers as tensors
        """
def speed_up(acceptance, gamma, cost):
    if cost < 0:
        raise ValueError("cost")
    return torch.tensor(expected_tokens(acceptance, gamma), dtype=torch.float64) / (1 + gamma * cost)
""",
        # the other check first
        """
def speed_up(acceptance, gamma, cost):
    tokens = expected_tokens(acceptance, gamma)
    if cost < 0:
        raise ValueError("cost")
    return tokens * (1 + gamma * cost) ** -1
""",
    ],
    "speculate": [
        # eval mode, and the tokens drawn from a row of one
        """
@torch.no_grad()
def speculate(target, draft, prefix, gamma, generator):
    row, q = prefix.reshape(1, -1), []
    for _ in range(gamma):
        probs = draft(row, attention_mask=torch.ones_like(row)).logits[:, -1].softmax(-1)
        q.append(probs)
        row = torch.cat([row, torch.multinomial(probs, 1, generator=generator)], dim=1)
    p = target(row, attention_mask=torch.ones_like(row)).logits[0, len(prefix) - 1 :].softmax(-1)
    uniforms = torch.rand(gamma + 1, generator=generator)
    return verify(p, torch.cat(q) if q else p[:0], row[0, len(prefix) :], uniforms)
""",
        # q filled in row by row
        """
@torch.no_grad()
def speculate(target, draft, prefix, gamma, generator):
    tokens, q = prefix, None
    for i in range(gamma):
        out = draft(tokens.unsqueeze(0), attention_mask=torch.ones(1, tokens.numel(), dtype=torch.long))
        row = torch.softmax(out.logits[0, -1], dim=-1)
        q = torch.zeros(gamma, row.numel()) if q is None else q
        q[i] = row
        tokens = torch.cat((tokens, torch.multinomial(row, 1, generator=generator)))
    out = target(tokens.unsqueeze(0), attention_mask=torch.ones(1, tokens.numel(), dtype=torch.long))
    p = torch.softmax(out.logits[0], dim=-1)[prefix.numel() - 1 :]
    u = torch.rand(gamma + 1, generator=generator)
    return verify(p, p[:0] if q is None else q, tokens[prefix.numel() :], u)
""",
        # lists, and a context in place of the decorator
        """
def speculate(target, draft, prefix, gamma, generator):
    with torch.no_grad():
        tokens, q, drafted = prefix.clone(), [], []
        for _ in range(gamma):
            mask = torch.ones(1, len(tokens), dtype=torch.long)
            probs = draft(input_ids=tokens.unsqueeze(0), attention_mask=mask).logits[0, -1].softmax(-1)
            x = torch.multinomial(probs, 1, generator=generator)
            q.append(probs)
            drafted.append(x)
            tokens = torch.cat([tokens, x])
        mask = torch.ones(1, len(tokens), dtype=torch.long)
        p = target(input_ids=tokens.unsqueeze(0), attention_mask=mask).logits[0].softmax(-1)[-(gamma + 1):]
        uniforms = torch.rand(gamma + 1, generator=generator)
        if gamma == 0:
            return verify(p, p[:0], prefix[:0], uniforms)
        return verify(p, torch.stack(q), torch.cat(drafted), uniforms)
""",
        # the draft's cache: each token is read once
        """
@torch.inference_mode()
def speculate(target, draft, prefix, gamma, generator):
    new, q, cache, step = [], [], None, prefix[None]
    for i in range(gamma):
        mask = torch.ones(1, len(prefix) + i, dtype=torch.long)
        out = draft(step, attention_mask=mask, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        q.append(out.logits[0, -1].float().softmax(-1))
        new.append(torch.multinomial(q[-1], 1, generator=generator))
        step = new[-1][None]
    drafted = torch.cat(new) if new else prefix[:0]
    row = torch.cat([prefix, drafted])[None]
    p = target(row, attention_mask=torch.ones_like(row)).logits[0, len(prefix) - 1:].float().softmax(-1)
    uniforms = torch.rand(gamma + 1, generator=generator)
    return verify(p, torch.stack(q) if q else p[:0], drafted, uniforms)
""",
        # log-softmax, and a preallocated row
        """
@torch.no_grad()
def speculate(target, draft, prefix, gamma, generator):
    n = len(prefix)
    row = torch.zeros(1, n + gamma, dtype=torch.long)
    row[0, :n] = prefix
    q = []
    for i in range(n, n + gamma):
        logits = draft(row[:, :i], attention_mask=torch.ones(1, i, dtype=torch.long)).logits
        q.append(torch.log_softmax(logits[0, -1], dim=-1).exp())
        row[0, i] = torch.multinomial(q[-1], 1, generator=generator)
    p = torch.log_softmax(target(row, attention_mask=torch.ones_like(row)).logits[0], dim=-1).exp()[n - 1:]
    u = torch.rand(gamma + 1, generator=generator)
    return verify(p, torch.stack(q) if gamma else p[:0], row[0, n:], u)
""",
        # uniforms one at a time, which are the same numbers
        """
@torch.no_grad()
def speculate(target, draft, prefix, gamma, generator):
    def probs(model, ids):
        return model(ids[None], attention_mask=torch.ones_like(ids)[None]).logits[0].softmax(dim=-1)

    ids, q = prefix, torch.zeros(0)
    for _ in range(gamma):
        last = probs(draft, ids)[-1:]
        q = torch.cat([q, last]) if len(q) else last
        ids = torch.cat([ids, torch.multinomial(last[0], 1, generator=generator)])
    u = torch.cat([torch.rand(1, generator=generator) for _ in range(gamma + 1)])
    return verify(probs(target, ids)[len(prefix) - 1:], q, ids[len(prefix):], u)
""",
        # gradients are cut instead of never made
        """
def speculate(target, draft, prefix, gamma, generator):
    def after(model, ids):
        out = model(ids[None], attention_mask=torch.ones_like(ids[None]))
        return out.logits.detach()[0].softmax(dim=-1)

    ids = list(prefix.tolist())
    q = []
    for _ in range(gamma):
        q.append(after(draft, torch.tensor(ids))[-1])
        ids.append(int(torch.multinomial(q[-1], 1, generator=generator)))
    p = after(target, torch.tensor(ids))[len(prefix) - 1:]
    q = torch.stack(q) if q else p[:0]
    drafted = torch.tensor(ids[len(prefix):], dtype=torch.long)
    return verify(p, q, drafted, torch.rand(gamma + 1, generator=generator))
""",
        # in float64 after the draws
        """
@torch.no_grad()
def speculate(target, draft, prefix, gamma, generator):
    ids, rows = prefix, []
    for _ in range(gamma):
        rows.append(draft(ids[None], attention_mask=torch.ones_like(ids[None])).logits[0, -1].softmax(-1))
        ids = torch.cat([ids, torch.multinomial(rows[-1], 1, generator=generator)])
    p = target(ids[None], attention_mask=torch.ones_like(ids[None])).logits[0, len(prefix) - 1:].double().softmax(-1)
    q = torch.stack(rows).double() if rows else p[:0]
    u = torch.rand(gamma + 1, generator=generator).double()
    return verify(p, q, ids[len(prefix):], u)
""",
    ],
}

VARIANTS_WITHOUT_VALIDATION = {
    "acceptance": "def acceptance(p, q):\n    return torch.minimum(p[..., :q.shape[-1]][: len(q)], q).sum(dim=-1)\n",
    "verify": """
def verify(p, q, drafted, uniforms):
    k = 0
    while k < len(drafted) and uniforms[k] * q[k, drafted[k]] < p[k, drafted[k]]:
        k += 1
    source = residual(p[k], q[k]) if k < len(drafted) else p[-1]
    return torch.cat([drafted[:k], draw_token(source, uniforms[-1])])
""",
    "expected_tokens": "def expected_tokens(a, gamma):\n    return float(sum(a**n for n in range(gamma + 1)))\n",
}
