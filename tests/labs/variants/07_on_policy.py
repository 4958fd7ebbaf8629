"""Right answers to lab 07 in many forms, as students write them. Every one of them has to get full marks.

Each is the source of an exercise's cell; it sees the names of the lab's setup cells and of the earlier exercises.
VARIANTS_WITHOUT_VALIDATION are right but for the ValueErrors: they get three quarters.
"""

VARIANTS = {
    "reverse_kl": [
        # F.kl_div with logarithmic targets
        """
def reverse_kl(student_logits, teacher_logits, mask):
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:2]:
        raise ValueError("shapes")
    keep = mask.bool()
    q = F.log_softmax(widen(student_logits[keep]), dim=-1)
    p = F.log_softmax(widen(teacher_logits.detach()[keep]), dim=-1)
    return F.kl_div(p, q, reduction="sum", log_target=True) / keep.sum().clamp(min=1)
""",
        # masked positions filled before anything is computed
        """
def reverse_kl(student_logits, teacher_logits, mask):
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    out = ~mask.bool().unsqueeze(-1)
    q = widen(student_logits.masked_fill(out, 0.0)).log_softmax(-1)
    p = widen(teacher_logits.detach().masked_fill(out, 0.0)).log_softmax(-1)
    per_token = (q.exp() * (q - p)).sum(-1)
    return (per_token * mask).sum() / mask.sum().clamp(min=1)
""",
        # row by row
        """
def reverse_kl(student_logits, teacher_logits, mask):
    if student_logits.shape != teacher_logits.shape:
        raise ValueError("logits")
    if tuple(mask.shape) != tuple(student_logits.shape[:2]):
        raise ValueError("mask")
    total, count = widen(student_logits[:0]).sum(), 0
    for s, t, m in zip(student_logits, teacher_logits.detach(), mask.bool()):
        q, p = widen(s[m]).log_softmax(-1), widen(t[m]).log_softmax(-1)
        total = total + (q.exp() * (q - p)).sum()
        count += int(m.sum())
    return total / max(count, 1) + 0 * widen(student_logits[mask.bool()]).sum()
""",
        # the teacher under no_grad, softmax and log_softmax
        """
def reverse_kl(student_logits, teacher_logits, mask):
    if student_logits.size() != teacher_logits.size() or mask.size() != student_logits.size()[:-1]:
        raise ValueError("shapes")
    index = mask.nonzero(as_tuple=True)
    with torch.no_grad():
        log_p = torch.log_softmax(widen(teacher_logits[index]), dim=-1)
    chosen = widen(student_logits[index])
    q, log_q = chosen.softmax(-1), chosen.log_softmax(-1)
    each = (q * log_q).sum(-1) - (q * log_p).sum(-1)
    return each.sum() / max(1, each.numel())
""",
        # cross-entropy minus entropy
        """
def reverse_kl(student_logits, teacher_logits, mask):
    if student_logits.shape != teacher_logits.shape or student_logits.shape[:2] != mask.shape:
        raise ValueError("shapes")
    m = mask.to(torch.bool)
    log_q = widen(student_logits[m]).log_softmax(1)
    log_p = widen(teacher_logits[m]).detach().log_softmax(1)
    q = log_q.exp()
    cross, own = -(q * log_p).sum(1), -(q * log_q).sum(1)
    if len(q) == 0:
        return (cross - own).sum()
    return (cross - own).mean()
""",
        # per position first, kept only where it counts
        """
def reverse_kl(student_logits, teacher_logits, mask):
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    keep = mask.bool()
    safe = torch.where(keep[..., None], student_logits, torch.zeros_like(student_logits))
    other = torch.where(keep[..., None], teacher_logits, torch.zeros_like(teacher_logits)).detach()
    gap = widen(safe).log_softmax(-1) - widen(other).log_softmax(-1)
    per_token = torch.einsum("bsv,bsv->bs", widen(safe).softmax(-1), gap)
    return per_token[keep].sum() / max(int(keep.sum()), 1)
""",
        # in float64
        """
def reverse_kl(student_logits, teacher_logits, mask):
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    keep = mask == 1
    q = student_logits[keep].double().log_softmax(-1)
    p = teacher_logits[keep].detach().double().log_softmax(-1)
    return torch.einsum("nv,nv->", q.exp(), q - p) / max(len(q), 1)
""",
        # reshaped flat, with masked_select
        """
def reverse_kl(student_logits, teacher_logits, mask):
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    V = student_logits.shape[-1]
    keep = mask.bool()[..., None]
    s = torch.masked_select(student_logits, keep).reshape(-1, V)
    t = torch.masked_select(teacher_logits, keep).reshape(-1, V).detach()
    s, t = widen(s), widen(t)
    q = s - s.logsumexp(-1, keepdim=True)
    p = t - t.logsumexp(-1, keepdim=True)
    return (q.exp() * (q - p)).sum() / max(s.shape[0], 1)
""",
    ],
    "jensen_shannon": [
        # the ends through reverse_kl and F.kl_div
        """
def jensen_shannon(student_logits, teacher_logits, mask, beta):
    if beta < 0 or beta > 1:
        raise ValueError("beta")
    if beta == 1:
        return reverse_kl(student_logits, teacher_logits, mask)
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:2]:
        raise ValueError("shapes")
    keep = mask.bool()
    q = F.log_softmax(widen(student_logits[keep]), dim=-1)
    p = F.log_softmax(widen(teacher_logits.detach()[keep]), dim=-1)
    n = keep.sum().clamp(min=1)
    if beta == 0:
        return F.kl_div(q, p, reduction="sum", log_target=True) / n
    m = torch.logaddexp(p + math.log(beta), q + math.log(1 - beta))
    return (beta * F.kl_div(m, p, reduction="sum", log_target=True)
            + (1 - beta) * F.kl_div(m, q, reduction="sum", log_target=True)) / n
""",
        # logsumexp of a stack
        """
def jensen_shannon(student_logits, teacher_logits, mask, beta):
    if not (0 <= beta <= 1):
        raise ValueError("beta")
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:2]:
        raise ValueError("shapes")
    keep = mask.bool()
    q = widen(student_logits[keep]).log_softmax(-1)
    p = widen(teacher_logits[keep]).detach().log_softmax(-1)
    def kl(a, b):
        return (a.exp() * (a - b)).sum(-1)
    if beta == 0:
        each = kl(p, q)
    elif beta == 1:
        each = kl(q, p)
    else:
        b = torch.tensor(beta, dtype=q.dtype)
        m = torch.logsumexp(torch.stack([p + b.log(), q + (1 - b).log()]), dim=0)
        each = beta * kl(p, m) + (1 - beta) * kl(q, m)
    return each.sum() / max(each.numel(), 1)
""",
        # the mixture detached: its gradient is 0 anyway, because the weights of both terms add up to the mixture
        """
def jensen_shannon(student_logits, teacher_logits, mask, beta):
    if not 0 <= beta <= 1 or student_logits.shape != teacher_logits.shape:
        raise ValueError("beta or shapes")
    if mask.shape != student_logits.shape[:2]:
        raise ValueError("mask")
    keep = mask.bool()
    q = widen(student_logits[keep]).log_softmax(-1)
    p = widen(teacher_logits[keep]).detach().log_softmax(-1)
    n = max(int(keep.sum()), 1)
    if beta == 0:
        return (p.exp() * (p - q)).sum() / n
    if beta == 1:
        return (q.exp() * (q - p)).sum() / n
    m = torch.logaddexp(p + math.log(beta), q + math.log1p(-beta)).detach()
    return (beta * p.exp() * (p - m)).sum() / n + ((1 - beta) * q.exp() * (q - m)).sum() / n
""",
        # filled instead of selected
        """
def jensen_shannon(student_logits, teacher_logits, mask, beta):
    if beta > 1 or beta < 0:
        raise ValueError("beta")
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    out = (mask == 0)[..., None]
    q = widen(student_logits.masked_fill(out, 0)).log_softmax(-1)
    p = widen(teacher_logits.detach().masked_fill(out, 0)).log_softmax(-1)
    if beta in (0, 1):
        a, b = (q, p) if beta == 1 else (p, q)
        each = (a.exp() * (a - b)).sum(-1)
    else:
        m = torch.logaddexp(p + math.log(beta), q + math.log(1 - beta))
        each = beta * (p.exp() * (p - m)).sum(-1) + (1 - beta) * (q.exp() * (q - m)).sum(-1)
    return (each * mask).sum() / mask.sum().clamp(min=1)
""",
        # in float64
        """
def jensen_shannon(student_logits, teacher_logits, mask, beta):
    if not 0 <= beta <= 1:
        raise ValueError("beta")
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    keep = mask.bool()
    q = student_logits[keep].double().log_softmax(-1)
    p = teacher_logits[keep].detach().double().log_softmax(-1)
    if beta == 0:
        value = (p.exp() * (p - q)).sum()
    elif beta == 1:
        value = (q.exp() * (q - p)).sum()
    else:
        m = torch.logaddexp(p + math.log(beta), q + math.log(1 - beta))
        value = beta * (p.exp() * (p - m)).sum() + (1 - beta) * (q.exp() * (q - m)).sum()
    return value / max(len(q), 1)
""",
        # an inner function for one KL, called on weights and models
        """
def jensen_shannon(student_logits, teacher_logits, mask, beta):
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1] or abs(beta - 0.5) > 0.5:
        raise ValueError("bad input")
    keep = mask.bool()
    logs = [widen(each[keep]).log_softmax(-1) for each in (teacher_logits.detach(), student_logits)]
    if beta in (0, 1):
        other = logs[0] if beta == 1 else logs[1]
        terms = [(1 - beta, logs[0], other), (beta, logs[1], other)]
    else:
        mixture = torch.logaddexp(logs[0] + math.log(beta), logs[1] + math.log(1 - beta))
        terms = [(beta, logs[0], mixture), (1 - beta, logs[1], mixture)]
    each = sum(w * (a.exp() * (a - b)).sum(-1) for w, a, b in terms if w)
    return each.sum() / max(len(each), 1)
""",
        # entropies: H(m) - beta H(p) - (1 - beta) H(q)
        """
def jensen_shannon(student_logits, teacher_logits, mask, beta):
    if not 0 <= beta <= 1:
        raise ValueError("beta")
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    keep = mask.bool()
    q, p = widen(student_logits[keep]).log_softmax(-1), widen(teacher_logits[keep].detach()).log_softmax(-1)
    if beta == 0:
        each = (p.exp() * (p - q)).sum(-1)
    elif beta == 1:
        each = (q.exp() * (q - p)).sum(-1)
    else:
        m = torch.logaddexp(p + math.log(beta), q + math.log(1 - beta))
        H = lambda z: -(z.exp() * z).sum(-1)
        each = H(m) - beta * H(p) - (1 - beta) * H(q)
    return each.sum() / max(len(each), 1)
""",
        # the forward KL through the cross-entropy with probabilities
        """
def jensen_shannon(student_logits, teacher_logits, mask, beta):
    if not 0 <= beta <= 1:
        raise ValueError("beta")
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    index = mask.nonzero(as_tuple=True)
    s, t = widen(student_logits[index]), widen(teacher_logits.detach()[index])
    p, q = t.log_softmax(-1), s.log_softmax(-1)
    if beta == 0:
        per = F.cross_entropy(s, p.exp(), reduction="none") + (p.exp() * p).sum(-1)
    elif beta == 1:
        per = (q.softmax(-1) * (q - p)).sum(-1)
    else:
        m = torch.logaddexp(math.log(beta) + p, math.log(1 - beta) + q)
        per = beta * ((p - m) * p.exp()).sum(-1) + (1 - beta) * ((q - m) * q.exp()).sum(-1)
    return per.sum() / max(per.shape[0], 1)
""",
    ],
    "sample_rows": [
        # the mode restored by try and finally
        """
def sample_rows(student, prompts, length, generator):
    modes = {part: part.training for part in student.modules()}
    student.eval()
    rows = prompts.clone()
    try:
        for _ in range(length):
            with torch.no_grad():
                logits = logits_of(student, rows)[:, -1].float()
            rows = torch.cat((rows, torch.multinomial(logits.softmax(-1), 1, generator=generator)), 1)
    finally:
        for part, mode in modes.items():
            part.training = mode
    return rows
""",
        # with keys and values kept
        """
def sample_rows(student, prompts, length, generator):
    modes = [(m, m.training) for m in student.modules()]
    student.eval()
    pieces, unread, cache = [prompts], prompts, None
    with torch.inference_mode():
        for _ in range(length):
            read = torch.ones(len(prompts), sum(p.shape[1] for p in pieces), dtype=torch.long)
            output = student(unread, attention_mask=read, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            unread = torch.multinomial(output.logits[:, -1].softmax(-1), 1, generator=generator)
            pieces.append(unread)
    for m, was in modes:
        m.training = was
    return torch.cat([p.clone() for p in pieces], dim=1)
""",
        # a tensor that is filled
        """
@torch.no_grad()
def sample_rows(student, prompts, length, generator):
    modes = [m.training for m in student.modules()]
    student.eval()
    P = prompts.shape[1]
    rows = torch.zeros(len(prompts), P + length, dtype=torch.long)
    rows[:, :P] = prompts
    for place in range(P, P + length):
        probabilities = torch.softmax(student(rows[:, :place]).logits[:, -1], dim=-1)
        rows[:, place] = torch.multinomial(probabilities, 1, generator=generator)[:, 0]
    for m, was in zip(student.modules(), modes):
        m.training = was
    return rows
""",
        # by the inverse of the cumulative distribution
        """
@torch.no_grad()
def sample_rows(student, prompts, length, generator):
    modes = [(m, m.training) for m in student.modules()]
    student.eval()
    rows = prompts
    for _ in range(length):
        cumulative = logits_of(student, rows)[:, -1].double().softmax(-1).cumsum(-1)
        draw = torch.rand(len(rows), 1, generator=generator, dtype=torch.float64)
        token = torch.searchsorted(cumulative, draw * cumulative[:, -1:])
        rows = torch.cat([rows, token], dim=1)
    for m, was in modes:
        m.training = was
    return rows
""",
        # Gumbel noise and argmax
        """
def sample_rows(student, prompts, length, generator):
    modes = [(m, m.training) for m in student.modules()]
    student.eval()
    rows = prompts
    with torch.no_grad():
        for _ in range(length):
            logits = widen(logits_of(student, rows)[:, -1])
            noise = -torch.log(-torch.log(torch.rand(logits.shape, generator=generator).clamp(1e-12, 1 - 1e-7)))
            rows = torch.cat([rows, (logits + noise).argmax(-1, keepdim=True)], dim=1)
    for m, was in modes:
        m.training = was
    return rows
""",
        # in chunks of rows
        """
def sample_rows(student, prompts, length, generator):
    modes = [(m, m.training) for m in student.modules()]
    student.eval()
    parts = []
    with torch.no_grad():
        for rows in prompts.split(1000):
            for _ in range(length):
                probabilities = logits_of(student, rows)[:, -1].softmax(-1)
                rows = torch.hstack([rows, torch.multinomial(probabilities, 1, generator=generator)])
            parts.append(rows)
    for m, was in modes:
        m.training = was
    return torch.cat(parts)
""",
        # by recursion
        """
def sample_rows(student, prompts, length, generator):
    if length == 0:
        return prompts
    modes = [(m, m.training) for m in student.modules()]
    student.eval()
    with torch.no_grad():
        probabilities = logits_of(student, prompts)[:, -1].softmax(-1)
    for m, was in modes:
        m.training = was
    token = torch.multinomial(probabilities, 1, generator=generator)
    return sample_rows(student, torch.cat([prompts, token], 1), length - 1, generator)
""",
        # log-softmax, exp, in float64
        """
def sample_rows(student, prompts, length, generator):
    was_training = [m for m in student.modules() if m.training]
    student.eval()
    rows = prompts
    with torch.no_grad():
        while rows.shape[1] < prompts.shape[1] + length:
            log_probs = logits_of(student, rows).double().log_softmax(-1)[:, -1, :]
            rows = torch.cat([rows, log_probs.exp().multinomial(1, generator=generator)], dim=-1)
    for m in was_training:
        m.training = True
    return rows
""",
    ],
    "on_policy_step": [
        # with a mask
        """
def on_policy_step(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    mask = torch.zeros(rows.shape[0], rows.shape[1] - 1, dtype=torch.bool)
    mask[:, prompts.shape[1] - 1 :] = True
    with torch.no_grad():
        target = logits_of(teacher, rows)[:, :-1]
    optimizer.zero_grad()
    loss = divergence(logits_of(student, rows)[:, :-1], target, mask)
    loss.backward()
    optimizer.step()
    return float(loss)
""",
        # whole rows, the last position masked too
        """
def on_policy_step(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    place = torch.arange(rows.shape[1])
    counts = (place >= prompts.shape[1] - 1) & (place < rows.shape[1] - 1)
    mask = counts.expand(len(rows), -1)
    with torch.inference_mode():
        target = logits_of(teacher, rows)
    loss = divergence(logits_of(student, rows), target.clone(), mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
""",
        # a mask of ones and zeros
        """
def on_policy_step(student, teacher, prompts, optimizer, divergence, length, generator):
    with torch.no_grad():
        rows = sample_rows(student, prompts, length, generator)
        t = teacher(rows).logits
    s = student(rows).logits
    P = prompts.size(1)
    mask = torch.cat([torch.zeros(len(rows), P - 1), torch.ones(len(rows), length)], dim=1).long()
    loss = divergence(s[:, :-1, :], t[:, :-1, :], mask)
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    optimizer.step()
    return loss.detach().item()
""",
        # the last `length` predictions
        """
def on_policy_step(student, teacher, prompts, optimizer, divergence, length, generator):
    optimizer.zero_grad()
    rows = sample_rows(student, prompts, length, generator).detach()
    s = logits_of(student, rows)[:, -length - 1 : -1]
    t = logits_of(teacher, rows)[:, -length - 1 : -1].detach()
    loss = divergence(s, t, torch.ones(s.shape[:2]))
    loss.backward()
    optimizer.step()
    return loss.item()
""",
        # the last token is not read at all
        """
def on_policy_step(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)[:, :-1]
    with torch.no_grad():
        teacher_logits = logits_of(teacher, rows)
    student_logits = logits_of(student, rows)
    mask = torch.ones_like(rows).bool()
    mask[:, : prompts.shape[1] - 1] = False
    value = divergence(student_logits, teacher_logits, mask)
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return value.item()
""",
        # the gradients by autograd.grad
        """
def on_policy_step(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    start = prompts.shape[1] - 1
    with torch.no_grad():
        t = logits_of(teacher, rows)[:, start:-1]
    s = logits_of(student, rows)[:, start:-1]
    loss = divergence(s, t, torch.ones(s.shape[0], s.shape[1], dtype=torch.bool))
    weights = [w for w in student.parameters() if w.requires_grad]
    for w, g in zip(weights, torch.autograd.grad(loss, weights)):
        w.grad = g
    optimizer.step()
    return loss.item()
""",
        # each row by itself
        """
def on_policy_step(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    start = prompts.shape[1] - 1
    student_logits = torch.cat([logits_of(student, row[None]) for row in rows])[:, start:-1]
    with torch.no_grad():
        teacher_logits = torch.cat([logits_of(teacher, row[None]) for row in rows])[:, start:-1]
    loss = divergence(student_logits, teacher_logits, torch.ones(len(rows), length) > 0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
""",
        # gather the positions by index
        """
def on_policy_step(student, teacher, prompts, optimizer, divergence, length, generator):
    rows = sample_rows(student, prompts, length, generator)
    places = torch.arange(prompts.shape[1] - 1, rows.shape[1] - 1)
    teacher_logits = None
    with torch.no_grad():
        teacher_logits = logits_of(teacher, rows).index_select(1, places)
    student_logits = logits_of(student, rows).index_select(1, places)
    loss = divergence(student_logits, teacher_logits, torch.full((len(rows), length), True))
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = None
    loss.backward()
    optimizer.step()
    return loss.tolist()
""",
    ],
    "mixed_batch": [
        # a copy with rows written into it
        """
def mixed_batch(own, given, share, generator):
    if own.shape != given.shape or not 0 <= share <= 1:
        raise ValueError("bad input")
    mine = torch.rand(own.shape[0], generator=generator) < share
    rows = given.clone()
    rows[mine] = own[mine]
    return rows
""",
        # a column of draws
        """
def mixed_batch(own, given, share, generator):
    if own.shape != given.shape:
        raise ValueError("shapes")
    if share < 0 or share > 1:
        raise ValueError("share")
    return torch.where(torch.rand(len(own), 1, generator=generator) < share, own, given)
""",
        # bernoulli
        """
def mixed_batch(own, given, share, generator):
    if own.shape != given.shape or not 0 <= share <= 1:
        raise ValueError("bad input")
    is_own = torch.bernoulli(torch.full((len(own),), float(share)), generator=generator).bool()
    return torch.where(is_own.unsqueeze(1), own, given)
""",
        # row by row in Python
        """
def mixed_batch(own, given, share, generator):
    if own.shape != given.shape or not 0 <= share <= 1:
        raise ValueError("bad input")
    return torch.stack([o if torch.rand(1, generator=generator).item() < share else g for o, g in zip(own, given)])
""",
        # arithmetic
        """
def mixed_batch(own, given, share, generator):
    if own.shape != given.shape or not 0 <= share <= 1:
        raise ValueError("bad input")
    keep = (torch.rand(own.size(0), generator=generator) < share).long()[:, None]
    return keep * own + (1 - keep) * given
""",
        # indices into a stack
        """
def mixed_batch(own, given, share, generator):
    if own.shape != given.shape or not 0 <= share <= 1:
        raise ValueError("bad input")
    both = torch.stack([given, own])
    who = (torch.rand(len(own), generator=generator) < share).long()
    return both[who, torch.arange(len(own))]
""",
        # the other way round, with the complement
        """
def mixed_batch(own, given, share, generator):
    if own.shape != given.shape or not 0 <= share <= 1:
        raise ValueError("bad input")
    is_given = torch.rand(len(own), generator=generator) >= share
    return own.masked_scatter(is_given[:, None].expand_as(own), given[is_given])
""",
        # multinomial with two outcomes
        """
def mixed_batch(own, given, share, generator):
    if own.shape != given.shape or not 0 <= share <= 1:
        raise ValueError("bad input")
    chances = torch.tensor([1.0 - share, share]).expand(len(own), 2)
    is_own = torch.multinomial(chances, 1, generator=generator).bool()
    return torch.where(is_own, own, given)
""",
    ],
    "first_impossible_word": [
        # row by row, token by token
        """
def first_impossible_word(language, rows):
    found = []
    for row in rows.tolist():
        if row[0] != language.eos:
            raise ValueError("end of text")
        state, place = language.start, len(row)
        for position, token in enumerate(row[1:], start=1):
            state = int(language.next_state[state, token])
            if state < 0:
                place = position
                break
        found.append(place)
    return torch.tensor(found)
""",
        # by probabilities
        """
def first_impossible_word(language, rows):
    if not (rows[:, 0] == language.eos).all():
        raise ValueError("end of text")
    B, S = rows.shape
    state, first = torch.full((B,), language.start), torch.full((B,), S)
    alive = torch.ones(B, dtype=torch.bool)
    for s in range(1, S):
        possible = language.probs[state, rows[:, s]] > 0
        first[alive & ~possible] = s
        alive &= possible
        state = torch.where(alive, language.next_state[state, rows[:, s]], language.start)
    return first
""",
        # a state of its own for what has left the language
        """
def first_impossible_word(language, rows):
    if (rows[:, 0] != language.eos).any():
        raise ValueError("end of text")
    table = torch.cat([language.next_state, torch.full((1, language.next_state.shape[1]), -1)])
    state = torch.full((len(rows),), language.start)
    lost = []
    for column in rows[:, 1:].T:
        state = table[state, column]
        lost.append(state < 0)
    if not lost:
        return torch.full((len(rows),), rows.shape[1])
    return rows.shape[1] - torch.stack(lost).sum(0)
""",
        # counting the tokens before
        """
def first_impossible_word(language, rows):
    if rows[:, 0].ne(language.eos).any():
        raise ValueError("end of text")
    count = torch.ones(len(rows), dtype=torch.long)
    state = torch.full((len(rows),), language.start)
    still = torch.ones(len(rows), dtype=torch.bool)
    for position in range(1, rows.shape[1]):
        after = language.next_state[state.clamp(min=0), rows[:, position]]
        still = still & (after >= 0)
        count = count + still.long()
        state = after
    return count
""",
        # from the right, so that the first one stays
        """
def first_impossible_word(language, rows):
    if any(int(row[0]) != language.eos for row in rows):
        raise ValueError("end of text")
    states = [torch.full((len(rows),), language.start)]
    for position in range(1, rows.shape[1]):
        states.append(language.next_state[states[-1].clamp(min=0), rows[:, position]])
    first = torch.full((len(rows),), rows.shape[1])
    for position in reversed(range(1, rows.shape[1])):
        first = torch.where(states[position] < 0, position, first)
    return first
""",
        # argmax over a table of mistakes
        """
def first_impossible_word(language, rows):
    if (rows[:, 0] != language.eos).any():
        raise ValueError("end of text")
    wrong = torch.zeros_like(rows, dtype=torch.bool)
    state = torch.full((len(rows),), language.start)
    for position in range(1, rows.shape[1]):
        state = language.next_state[state, rows[:, position]]
        wrong[:, position] = state < 0
        state = state.clamp(min=0)
    end = torch.ones(len(rows), 1, dtype=torch.bool)
    return torch.cat([wrong, end], dim=1).int().argmax(dim=1)
""",
        # NumPy inside
        """
def first_impossible_word(language, rows):
    table, found = language.next_state.numpy(), []
    for row in rows.numpy():
        if row[0] != language.eos:
            raise ValueError("end of text")
        state = language.start
        for position in range(1, len(row)):
            state = table[state, row[position]]
            if state == -1:
                found.append(position)
                break
        else:
            found.append(len(row))
    return torch.tensor(found, dtype=torch.long)
""",
        # a helper for one row
        """
def first_impossible_word(language, rows):
    def of(row):
        if row[0] != language.eos:
            raise ValueError("end of text")
        state = language.start
        for position in range(1, len(row)):
            state = language.next_state[state, row[position]].item()
            if state < 0:
                return position
        return len(row)
    return torch.tensor([of(row) for row in rows])
""",
    ],
}

VARIANTS_WITHOUT_VALIDATION = {
    "reverse_kl": """
def reverse_kl(student_logits, teacher_logits, mask):
    keep = mask.bool()
    q = widen(student_logits[keep]).log_softmax(-1)
    p = widen(teacher_logits.detach()[keep]).log_softmax(-1)
    return (q.exp() * (q - p)).sum() / max(len(q), 1)
""",
    "mixed_batch": """
def mixed_batch(own, given, share, generator):
    return torch.where((torch.rand(len(own), generator=generator) < share)[:, None], own, given)
""",
    "first_impossible_word": """
def first_impossible_word(language, rows):
    first = torch.full((len(rows),), rows.shape[1])
    state = torch.full((len(rows),), language.start)
    for position in range(1, rows.shape[1]):
        state = language.next_state[state, rows[:, position]]
        first[(state < 0) & (first == rows.shape[1])] = position
        state = state.clamp(min=0)
    return first
""",
}
