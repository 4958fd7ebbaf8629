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
}

VARIANTS_WITHOUT_VALIDATION = {
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
