"""Right answers to lab 04 in many forms, as students write them. Every one of them has to get full marks.

Each is the source of an exercise's cell; it sees the names of the lab's setup cells and of the earlier exercises.
VARIANTS_WITHOUT_VALIDATION are right but for the ValueErrors: they get three quarters.
"""

VARIANTS = {
    "token_nll": [
        # the model's own loss, a mean, made a sum again
        """
def token_nll(model, batch):
    model.eval()
    labels = make_labels(batch["input_ids"], batch["attention_mask"])
    n = (labels[:, 1:] != IGNORE).sum().item()
    if n == 0:
        return 0.0, 0
    with torch.no_grad():
        loss = model(batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss
    return loss.item() * n, n
""",
        # gather, mask by multiplying
        """
def token_nll(model, batch):
    model.eval()
    ids, mask = batch["input_ids"], batch["attention_mask"]
    with torch.inference_mode():
        log_probs = model(**batch).logits[:, :-1].log_softmax(dim=-1)
    picked = log_probs.gather(-1, ids[:, 1:].unsqueeze(-1)).squeeze(-1)
    counted = mask[:, 1:]
    return -(picked * counted).sum().item(), counted.sum().item()
""",
        # 0-d tensors
        """
@torch.no_grad()
def token_nll(model, batch):
    model.train(False)
    logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logits, labels = next_token_pairs(logits, make_labels(batch["input_ids"], batch["attention_mask"]))
    nll = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORE, reduction="none")
    return nll.sum(), (labels != IGNORE).sum()
""",
        # row by row, without padding at all
        """
def token_nll(model, batch):
    model.eval()
    total, count = 0.0, 0
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"]):
        ids = ids[: int(mask.sum())][None]
        if ids.shape[1] < 2:
            continue
        with torch.no_grad():
            logits = model(ids).logits[0]
        total += F.cross_entropy(logits[:-1], ids[0, 1:], reduction="sum").item()
        count += ids.shape[1] - 1
    return total, count
""",
        # float64 and only the tokens that count
        """
def token_nll(model, batch):
    model.eval()
    ids, mask = batch["input_ids"], batch["attention_mask"]
    with torch.no_grad():
        logits = model(ids, attention_mask=mask).logits[:, :-1].double()
    keep = mask[:, 1:].bool()
    logits, targets = logits[keep], ids[:, 1:][keep]
    nll = torch.logsumexp(logits, -1) - logits[torch.arange(len(targets)), targets]
    return float(nll.sum()), len(targets)
""",
        # the mode is put back afterwards
        """
def token_nll(model, batch):
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    finally:
        model.train(was_training)
    shifted, labels = next_token_pairs(logits, make_labels(batch["input_ids"], batch["attention_mask"]))
    log_probs = F.log_softmax(shifted.float(), dim=-1).reshape(-1, shifted.shape[-1])
    total = F.nll_loss(log_probs, labels.reshape(-1), ignore_index=IGNORE, reduction="sum")
    return total.item(), int((labels != IGNORE).sum())
""",
        # without a mask for the model: padding on the right is never looked at
        """
def token_nll(model, batch):
    model.eval()
    with torch.no_grad():
        logits = model(batch["input_ids"]).logits
    labels = batch["input_ids"].clone()
    labels[batch["attention_mask"] == 0] = -100
    loss = torch.nn.CrossEntropyLoss(reduction="sum", ignore_index=-100)
    total = loss(logits[:, :-1].reshape(-1, logits.size(-1)), labels[:, 1:].reshape(-1))
    return total.item(), (labels[:, 1:] >= 0).sum().item()
""",
        # a list, and one-hot targets
        """
def token_nll(model, batch):
    model.eval()
    with torch.no_grad():
        p = model(**batch)["logits"].log_softmax(-1)
    targets = F.one_hot(batch["input_ids"][:, 1:], p.shape[-1]).to(p.dtype)
    each = -(p[:, :-1] * targets).sum(-1)
    counted = batch["attention_mask"][:, 1:] == 1
    return [torch.where(counted, each, torch.zeros(())).sum().item(), counted.sum().item()]
""",
        # gradients on, but thrown away
        """
def token_nll(model, batch):
    model.eval()
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.detach()
    logits, labels = next_token_pairs(logits, make_labels(batch["input_ids"], batch["attention_mask"]))
    counted = labels != IGNORE
    if not counted.any():
        return 0, 0
    mean = F.cross_entropy(logits[counted], labels[counted])
    return (mean * counted.sum()).item(), counted.sum().item()
""",
    ],
    "perplexity": [
        """
def perplexity(model, batches):
    nll, n = 0.0, 0
    for batch in batches:
        a, b = token_nll(model, batch)
        nll, n = nll + a, n + b
    if n == 0:
        raise ValueError("nothing to predict")
    return math.exp(nll / n)
""",
        # lists and zip
        """
def perplexity(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    if sum(n for _, n in pairs) < 1:
        raise ValueError("nothing to predict")
    totals, counts = zip(*pairs)
    return math.exp(sum(totals) / sum(counts))
""",
        # tensors
        """
def perplexity(model, batches):
    rows = torch.tensor([token_nll(model, batch) for batch in batches], dtype=torch.float64).reshape(-1, 2)
    total, count = rows.sum(dim=0)
    if count == 0:
        raise ValueError("no tokens")
    return torch.exp(total / count)
""",
        # weighted means with the right weights
        """
def perplexity(model, batches):
    means, weights = [], []
    for batch in batches:
        total, count = token_nll(model, batch)
        if count:
            means.append(total / count)
            weights.append(count)
    if not weights:
        raise ValueError("no tokens")
    return math.exp(sum(m * w for m, w in zip(means, weights)) / sum(weights))
""",
        # numpy
        """
def perplexity(model, batches):
    import numpy as np
    pairs = np.array([token_nll(model, batch) for batch in batches], dtype=float)
    if pairs.size == 0 or pairs[:, 1].sum() == 0:
        raise ValueError("no tokens")
    return float(np.exp(pairs[:, 0].sum() / pairs[:, 1].sum()))
""",
        # everything written out, without token_nll
        """
def perplexity(model, batches):
    model.eval()
    total, count = torch.zeros((), dtype=torch.float64), 0
    for batch in batches:
        with torch.no_grad():
            logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        logits, labels = next_token_pairs(logits, make_labels(batch["input_ids"], batch["attention_mask"]))
        keep = labels != IGNORE
        total += F.cross_entropy(logits[keep], labels[keep], reduction="sum").double()
        count += keep.sum().item()
    if count == 0:
        raise ValueError("no tokens")
    return (total / count).exp().item()
""",
        # a power of e
        """
def perplexity(model, batches):
    total = count = 0
    for batch in list(batches):
        step = token_nll(model, batch)
        total = total + step[0]
        count = count + step[1]
    if not count:
        raise ValueError("no tokens")
    return math.e ** (total / count)
""",
        # as a product of the batches' perplexities to the power of their shares
        """
def perplexity(model, batches):
    pairs = [token_nll(model, batch) for batch in batches]
    count = sum(n for _, n in pairs)
    if count == 0:
        raise ValueError("no tokens")
    result = 1.0
    for nll, _ in pairs:
        result *= math.exp(nll / count)
    return result
""",
        # through the error of a division
        """
def perplexity(model, batches):
    total, count = 0.0, 0
    for batch in batches:
        nll, n = token_nll(model, batch)
        total += nll
        count += n
    try:
        return math.exp(total / count)
    except ZeroDivisionError:
        raise ValueError("there is nothing to predict") from None
""",
    ],
    "gap_closed": [
        """
def gap_closed(teacher, before, after):
    if before == teacher:
        raise ValueError("no gap")
    return (math.log(before) - math.log(after)) / (math.log(before) - math.log(teacher))
""",
        # logarithms of ratios
        """
def gap_closed(teacher, before, after):
    if before == teacher:
        raise ValueError("no gap")
    return math.log(before / after) / math.log(before / teacher)
""",
        # base 2 and base 10 cancel
        """
def gap_closed(teacher, before, after):
    if math.isclose(before, teacher):
        raise ValueError("no gap")
    return math.log2(before / after) / math.log2(before / teacher)
""",
        # a logarithm to the base of the gap
        """
def gap_closed(teacher, before, after):
    if before == teacher:
        raise ValueError("no gap")
    return math.log10(before / after) / math.log10(before / teacher)
""",
        # torch
        """
def gap_closed(teacher, before, after):
    t, b, a = torch.tensor([teacher, before, after], dtype=torch.float64).log()
    if b == t:
        raise ValueError("no gap")
    return (b - a) / (b - t)
""",
        # numpy
        """
def gap_closed(teacher, before, after):
    import numpy as np
    gap = np.log(before) - np.log(teacher)
    if gap == 0:
        raise ValueError("no gap")
    return (np.log(before) - np.log(after)) / gap
""",
        # one minus what is left
        """
def gap_closed(teacher, before, after):
    if before == teacher:
        raise ValueError("no gap")
    left = (math.log(after) - math.log(teacher)) / (math.log(before) - math.log(teacher))
    return 1 - left
""",
        # an error of a division
        """
def gap_closed(teacher, before, after):
    start, end, goal = map(math.log, (before, after, teacher))
    try:
        return (start - end) / (start - goal)
    except ZeroDivisionError as error:
        raise ValueError("before and teacher are equal") from error
""",
        # a float32 tensor as a number
        """
def gap_closed(teacher, before, after):
    if not before != teacher:
        raise ValueError("no gap")
    gain = math.log(before) - math.log(after)
    gap = math.log(before) - math.log(teacher)
    return torch.tensor(gain / gap)
""",
    ],
    "paired_difference": [
        # all at once, two quantiles
        """
def paired_difference(control, distilled, tokens, draws):
    if control.shape != distilled.shape or control.shape != tokens.shape:
        raise ValueError("the shapes differ")
    gains = control - distilled
    drawn = gains[draws].sum(dim=1) / tokens[draws].sum(dim=1)
    low, high = torch.quantile(drawn, torch.tensor([0.025, 0.975], dtype=drawn.dtype))
    return (gains.sum() / tokens.sum()).item(), low.item(), high.item()
""",
        # a loop over the draws
        """
def paired_difference(control, distilled, tokens, draws):
    if control.shape != distilled.shape or control.shape != tokens.shape:
        raise ValueError("the shapes differ")
    gains = (control - distilled).double()
    means = []
    for rows in draws:
        means.append(gains[rows].sum() / tokens[rows].sum())
    means = torch.stack(means)
    return gains.sum() / tokens.sum(), means.quantile(0.025), means.quantile(0.975)
""",
        # numpy
        """
def paired_difference(control, distilled, tokens, draws):
    if control.shape != distilled.shape or control.shape != tokens.shape:
        raise ValueError("the shapes differ")
    import numpy as np
    gains, counts, rows = (control - distilled).numpy(), tokens.numpy(), draws.numpy()
    drawn = gains[rows].sum(axis=1) / counts[rows].sum(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return gains.sum() / counts.sum(), low, high
""",
        # the two models apart, on the same rows
        """
def paired_difference(control, distilled, tokens, draws):
    if control.shape != distilled.shape or control.shape != tokens.shape:
        raise ValueError("the shapes differ")
    def mean(sums, count):
        return sums.sum(-1) / count.sum(-1)

    value = mean(control, tokens) - mean(distilled, tokens)
    drawn = mean(control[draws], tokens[draws]) - mean(distilled[draws], tokens[draws])
    return value.item(), drawn.quantile(0.025).item(), drawn.quantile(0.975).item()
""",
        # how often each row was drawn
        """
def paired_difference(control, distilled, tokens, draws):
    if control.shape != distilled.shape or control.shape != tokens.shape:
        raise ValueError("the shapes differ")
    n = len(control)
    times = torch.nn.functional.one_hot(draws, n).sum(dim=1).double()
    gains, counts = (control - distilled).double(), tokens.double()
    drawn = (times @ gains) / (times @ counts)
    return [float(gains.sum() / counts.sum()), float(drawn.quantile(0.025)), float(drawn.quantile(0.975))]
""",
        # sorted and interpolated by hand
        """
def paired_difference(control, distilled, tokens, draws):
    if control.shape != distilled.shape or control.shape != tokens.shape:
        raise ValueError("the shapes differ")
    gains = (control.double() - distilled.double())
    drawn = sorted((gains[r].sum() / tokens[r].sum()).item() for r in draws)

    def quantile(q):
        place = q * (len(drawn) - 1)
        below = int(place)
        above = min(below + 1, len(drawn) - 1)
        return drawn[below] + (place - below) * (drawn[above] - drawn[below])

    return gains.sum().item() / tokens.sum().item(), quantile(0.025), quantile(0.975)
""",
        # index_select and view
        """
def paired_difference(control, distilled, tokens, draws):
    if control.shape != distilled.shape or control.shape != tokens.shape:
        raise ValueError("the shapes differ")
    gains = control - distilled
    flat = draws.reshape(-1)
    sums = gains.index_select(0, flat).view(draws.shape).sum(1)
    counts = tokens.index_select(0, flat).view(draws.shape).sum(1)
    ends = torch.quantile((sums / counts).double(), torch.tensor([0.025, 0.975]).double())
    return torch.stack([gains.sum().double() / tokens.sum(), *ends]).tolist()
""",
        # take, and the value as the draw of every row
        """
def paired_difference(control, distilled, tokens, draws):
    if control.shape != distilled.shape or control.shape != tokens.shape:
        raise ValueError("the shapes differ")
    gains = control.sub(distilled)
    every = torch.arange(len(gains))[None]

    def means(rows):
        return torch.take(gains, rows).sum(dim=1).div(torch.take(tokens, rows).sum(dim=1))

    drawn = means(draws)
    return means(every)[0], torch.quantile(drawn, 0.025), torch.quantile(drawn, 0.975)
""",
    ],
}

VARIANTS_WITHOUT_VALIDATION = {
    "paired_difference": """
def paired_difference(control, distilled, tokens, draws):
    gains = control - distilled
    drawn = gains[draws].sum(dim=1) / tokens[draws].sum(dim=1)
    low, high = torch.quantile(drawn, torch.tensor([0.025, 0.975], dtype=drawn.dtype))
    return (gains.sum() / tokens.sum()).item(), low.item(), high.item()
""",
    "perplexity": """
def perplexity(model, batches):
    pairs = torch.tensor([token_nll(model, batch) for batch in batches], dtype=torch.float64).reshape(-1, 2)
    return torch.exp(pairs[:, 0].sum() / pairs[:, 1].sum())
""",
    "gap_closed": """
def gap_closed(teacher, before, after):
    t, b, a = torch.tensor([teacher, before, after]).double().log()
    return (b - a) / (b - t)
""",
}
