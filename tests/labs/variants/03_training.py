"""Right answers to lab 03 in many forms, as students write them. Every one of them has to get full marks.

Each is the source of an exercise's cell; it sees the names of the lab's setup cells and of the earlier exercises.
VARIANTS_WITHOUT_VALIDATION are right but for the ValueErrors: they get three quarters.
"""

VARIANTS = {
    "freeze": [
        # a loop over weights, as most people write it
        """
def freeze(model):
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad = False
    return model
""",
        # chained
        """
def freeze(model):
    return model.eval().requires_grad_(False)
""",
        # the other order
        """
def freeze(model):
    return model.requires_grad_(False).train(False)
""",
        # train(False) and a method on each weight
        """
def freeze(model):
    model.train(mode=False)
    for _, weight in model.named_parameters():
        weight.requires_grad_(False)
    return model
""",
        # each module by hand
        """
def freeze(model):
    for module in model.modules():
        module.training = False
        for weight in module.parameters(recurse=False):
            weight.requires_grad = False
    return model
""",
        # apply
        """
def freeze(model):
    model.apply(lambda part: part.requires_grad_(False))
    model.apply(lambda part: part.eval())
    return model
""",
        # any, then all
        """
def freeze(model):
    if any(part.training for part in model.modules()):
        model.eval()
    frozen = [weight.requires_grad_(False) for weight in model.parameters()]
    assert not any(weight.requires_grad for weight in frozen)
    return model
""",
        # inside no_grad, which changes nothing
        """
def freeze(model):
    with torch.no_grad():
        model.eval()
        for p in list(model.parameters()):
            p.requires_grad = False
            p.grad = None
    return model
""",
    ],
    "count_parameters": [
        """
def count_parameters(model):
    return sum(p.numel() for p in model.parameters())
""",
        """
def count_parameters(model):
    total = 0
    for _, weight in model.named_parameters():
        total += weight.numel()
    return total
""",
        # by shape
        """
def count_parameters(model):
    import math
    return sum(math.prod(weight.shape) for weight in model.parameters())
""",
        # transformers' own method
        """
def count_parameters(model):
    return model.num_parameters()
""",
        # as a tensor with one number
        """
def count_parameters(model):
    return torch.tensor([weight.numel() for weight in model.parameters()]).sum()
""",
        # numpy
        """
def count_parameters(model):
    import numpy as np
    return np.sum([weight.detach().numpy().size for weight in model.parameters()])
""",
        # each weight once, by identity
        """
def count_parameters(model):
    seen = {}
    for module in model.modules():
        for weight in module.parameters(recurse=False):
            seen[id(weight)] = weight.nelement()
    return sum(seen.values())
""",
        # one long row
        """
def count_parameters(model):
    return len(torch.nn.utils.parameters_to_vector(model.parameters()))
""",
        # nbytes over the size of an element
        """
def count_parameters(model):
    return sum(w.nbytes // w.element_size() for w in model.parameters())
""",
    ],
    "make_labels": [
        """
def make_labels(input_ids, attention_mask):
    if input_ids.shape != attention_mask.shape:
        raise ValueError("attention_mask must have the shape of input_ids")
    labels = input_ids.clone()
    labels[attention_mask == 0] = -100
    return labels
""",
        """
def make_labels(input_ids, attention_mask):
    if input_ids.shape != attention_mask.shape:
        raise ValueError("shape")
    return torch.where(attention_mask.bool(), input_ids, -100)
""",
        """
def make_labels(input_ids, attention_mask):
    if tuple(input_ids.size()) != tuple(attention_mask.size()):
        raise ValueError(f"{input_ids.size()} and {attention_mask.size()}")
    return input_ids.masked_fill(~attention_mask.to(torch.bool), IGNORE)
""",
        # by multiplying
        """
def make_labels(input_ids, attention_mask):
    if input_ids.shape != attention_mask.shape:
        raise ValueError("shape")
    mask = attention_mask.long()
    return input_ids * mask + IGNORE * (1 - mask)
""",
        # a full tensor, filled in
        """
def make_labels(input_ids, attention_mask):
    if input_ids.shape != attention_mask.shape:
        raise ValueError("shape")
    labels = torch.full_like(input_ids, IGNORE)
    kept = attention_mask == 1
    labels[kept] = input_ids[kept]
    return labels
""",
        # lists
        """
def make_labels(input_ids, attention_mask):
    if input_ids.shape != attention_mask.shape:
        raise ValueError("shape")
    rows = []
    for ids, mask in zip(input_ids.tolist(), attention_mask.tolist()):
        rows.append([token if keep else -100 for token, keep in zip(ids, mask)])
    return torch.tensor(rows)
""",
        # where, as a method
        """
def make_labels(input_ids, attention_mask):
    if attention_mask.shape != input_ids.shape:
        raise ValueError("shape")
    return input_ids.where(attention_mask != 0, torch.tensor(IGNORE))
""",
        # index_put by places
        """
def make_labels(input_ids, attention_mask):
    if attention_mask.shape != input_ids.shape:
        raise ValueError("shape")
    places = (attention_mask == 0).nonzero(as_tuple=True)
    return input_ids.index_put(places, torch.tensor(-100))
""",
        # numpy
        """
def make_labels(input_ids, attention_mask):
    import numpy as np
    if attention_mask.shape != input_ids.shape:
        raise ValueError("shape")
    return torch.from_numpy(np.where(attention_mask.numpy() > 0, input_ids.numpy(), -100))
""",
    ],
    "next_token_pairs": [
        """
def next_token_pairs(logits, labels):
    if logits.shape[:2] != labels.shape:
        raise ValueError("labels")
    return logits[:, :-1, :], labels[:, 1:]
""",
        # contiguous copies
        """
def next_token_pairs(logits, labels):
    if logits.shape[:-1] != labels.shape:
        raise ValueError("labels")
    return logits[..., :-1, :].contiguous(), labels[..., 1:].contiguous()
""",
        # narrow
        """
def next_token_pairs(logits, labels):
    if logits.shape[:2] != labels.shape:
        raise ValueError("labels")
    length = labels.shape[1]
    return logits.narrow(1, 0, length - 1), labels.narrow(1, 1, length - 1)
""",
        # as a list
        """
def next_token_pairs(logits, labels):
    if logits.size(0) != labels.size(0) or logits.size(1) != labels.size(1):
        raise ValueError("labels")
    return [logits[:, :-1], labels[:, 1:]]
""",
        # index_select
        """
def next_token_pairs(logits, labels):
    if logits.shape[:2] != labels.shape:
        raise ValueError("labels")
    places = torch.arange(labels.shape[1] - 1)
    return logits.index_select(1, places), labels.index_select(1, places + 1)
""",
        # rolled, then cut
        """
def next_token_pairs(logits, labels):
    if logits.shape[:2] != labels.shape:
        raise ValueError("labels")
    after = labels.roll(-1, dims=1)
    return logits[:, :-1], after[:, :-1]
""",
        # row by row
        """
def next_token_pairs(logits, labels):
    if logits.shape[:2] != labels.shape:
        raise ValueError("labels")
    return torch.stack([row[:-1] for row in logits]), torch.stack([row[1:] for row in labels])
""",
        # unpacked shapes, named end
        """
def next_token_pairs(logits, labels):
    rows, places, words = logits.shape
    if tuple(labels.shape) != (rows, places):
        raise ValueError(f"labels: {labels.shape}")
    predictions = logits[:, 0 : places - 1]
    targets = labels[:, 1:places].clone()
    return predictions, targets
""",
    ],
    "train_step": [
        # everything by hand, slices instead of next_token_pairs
        """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    optimizer.zero_grad()
    ids, mask = batch["input_ids"], batch["attention_mask"]
    with torch.no_grad():
        teacher_logits = teacher(input_ids=ids, attention_mask=mask).logits
    student_logits = student(input_ids=ids, attention_mask=mask).logits
    labels = ids.masked_fill(mask == 0, -100)[:, 1:]
    loss = distillation_loss(student_logits[:, :-1], teacher_logits[:, :-1], labels, temperature, alpha)
    loss.backward()
    optimizer.step()
    return loss.item()
""",
        # **batch and inference mode
        """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    with torch.inference_mode():
        taught = teacher(**batch)
    said = student(**batch)
    labels = make_labels(batch["input_ids"], batch["attention_mask"])
    student_logits, shifted = next_token_pairs(said.logits, labels)
    teacher_logits = next_token_pairs(taught.logits, labels)[0]
    loss = distillation_loss(student_logits, teacher_logits, shifted, temperature=temperature, alpha=alpha)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return float(loss)
""",
        # no mask handed to the models: padding on the right is never looked at
        """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    ids = batch["input_ids"]
    labels = make_labels(ids, batch["attention_mask"])
    s, y = next_token_pairs(student(ids).logits, labels)
    t, _ = next_token_pairs(teacher(ids).logits.detach(), labels)
    loss = distillation_loss(s, t, y, temperature, alpha)
    student.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach().item()
""",
        # modes set again, gradients cleared at the end
        """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    student.train()
    teacher.eval()
    ids, mask = batch["input_ids"], batch["attention_mask"]
    with torch.no_grad():
        t = teacher(ids, attention_mask=mask)["logits"]
    s = student(ids, attention_mask=mask)["logits"]
    labels = make_labels(ids, mask)
    loss = distillation_loss(s[:, :-1], t[:, :-1], labels[:, 1:], temperature, alpha)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()
""",
        # the loss written out
        """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    if temperature <= 0 or not 0 <= alpha <= 1:
        raise ValueError("temperature or alpha")
    ids, mask = batch["input_ids"], batch["attention_mask"]
    s = student(ids, attention_mask=mask).logits[:, :-1]
    with torch.no_grad():
        t = teacher(ids, attention_mask=mask).logits[:, :-1]
    counted = mask[:, 1:].bool()
    n = counted.sum().clamp(min=1)
    log_q = torch.log_softmax(s / temperature, dim=-1)
    log_p = torch.log_softmax(t / temperature, dim=-1)
    kl = ((log_p.exp() * (log_p - log_q)).sum(-1) * counted).sum() / n
    log_1 = torch.log_softmax(s, dim=-1)
    ce = -(log_1.gather(-1, ids[:, 1:, None])[..., 0] * counted).sum() / n
    loss = alpha * temperature ** 2 * kl + (1 - alpha) * ce
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
""",
        # only the tokens that count, picked out
        """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    ids, mask = batch["input_ids"], batch["attention_mask"]
    s = student(ids, attention_mask=mask).logits[:, :-1]
    t = teacher(ids, attention_mask=mask).logits[:, :-1]
    keep = mask[:, 1:] == 1
    loss = distillation_loss(s[keep][None], t[keep][None], ids[:, 1:][keep][None], temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.tolist()
""",
        # the hard term from the model itself
        """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    import torch.nn.functional as F
    if not temperature > 0:
        raise ValueError("temperature")
    if alpha < 0 or alpha > 1:
        raise ValueError("alpha")
    ids, mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(ids, mask)
    out = student(ids, attention_mask=mask)
    with torch.no_grad():
        taught = teacher(ids, attention_mask=mask)
    s, y = next_token_pairs(out.logits, labels)
    t, _ = next_token_pairs(taught.logits, labels)
    counted = (y != IGNORE)
    count = max(1, counted.sum().item())
    hard = F.cross_entropy(s.transpose(1, 2), y, ignore_index=IGNORE, reduction="sum") / count
    soft = F.kl_div(F.log_softmax(s / temperature, -1), F.softmax(t / temperature, -1), reduction="none").sum(-1)
    soft = soft[counted].sum() / count
    loss = alpha * temperature**2 * soft + (1 - alpha) * hard
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
""",
        # gradients asked for by hand
        """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    ids, mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(ids, mask)
    s, y = next_token_pairs(student(ids, attention_mask=mask).logits, labels)
    with torch.no_grad():
        t, _ = next_token_pairs(teacher(ids, attention_mask=mask).logits, labels)
    loss = distillation_loss(s, t, y, temperature, alpha)
    weights = list(student.parameters())
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights)):
        weight.grad = slope
    optimizer.step()
    return loss.item()
""",
        # a closure for the optimizer
        """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    ids, mask = batch["input_ids"], batch["attention_mask"]
    with torch.no_grad():
        t = teacher(ids, attention_mask=mask).logits

    def closure():
        optimizer.zero_grad()
        labels = make_labels(ids, mask)
        s, y = next_token_pairs(student(ids, attention_mask=mask).logits, labels)
        loss = distillation_loss(s, t[:, :-1], y, temperature, alpha)
        loss.backward()
        return loss

    return optimizer.step(closure).item()
""",
        # row by row, from the last: dropout draws in another order
        """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    ids, mask = batch["input_ids"], batch["attention_mask"]
    rows = range(len(ids) - 1, -1, -1)
    with torch.no_grad():
        t = torch.cat([teacher(ids[row : row + 1]).logits for row in rows])
    s = torch.cat([student(ids[row : row + 1]).logits for row in rows])
    labels = make_labels(ids, mask).flip(0)
    loss = distillation_loss(s[:, :-1], t[:, :-1], labels[:, 1:], temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
""",
        # one backward() for each row, weighted by what it counts
        """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    labels = make_labels(batch["input_ids"], batch["attention_mask"])[:, 1:]
    counted = max(int((labels != -100).sum()), 1)
    optimizer.zero_grad()
    total = 0.0
    for ids, mask, y in zip(batch["input_ids"], batch["attention_mask"], labels):
        ids, mask, y = ids[None], mask[None], y[None]
        with torch.no_grad():
            t = teacher(ids, attention_mask=mask).logits[:, :-1]
        s = student(ids, attention_mask=mask).logits[:, :-1]
        loss = distillation_loss(s, t, y, temperature, alpha) * int((y != -100).sum()) / counted
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total
""",
    ],
    "train": [
        # a step of its own, row by row: dropout draws in another order
        """
def train(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    if not batches:
        raise ValueError("no batches")
    freeze(teacher)
    student.train()
    losses = []
    for batch in [batch for _ in range(epochs) for batch in batches]:
        ids, mask = batch["input_ids"], batch["attention_mask"]
        with torch.no_grad():
            t = teacher(ids, attention_mask=mask).logits[:, :-1]
        s = torch.cat([student(ids[row : row + 1]).logits for row in range(len(ids))])[:, :-1]
        loss = distillation_loss(s, t, make_labels(ids, mask)[:, 1:], temperature, alpha)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
""",
        # the plain loops, the losses appended
        """
def train(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    if len(batches) == 0:
        raise ValueError("batches is empty")
    student.train()
    teacher = freeze(teacher)
    losses = []
    for epoch in range(epochs):
        for batch in batches:
            loss = train_step(student, teacher, batch, optimizer, temperature=temperature, alpha=alpha)
            losses.append(loss)
    return losses
""",
        # one loop over all steps, the batch by its remainder
        """
def train(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    if not batches:
        raise ValueError("no batches")
    freeze(teacher)
    student.train()
    losses = []
    for step in range(epochs * len(batches)):
        losses.append(train_step(student, teacher, batches[step % len(batches)], optimizer, temperature, alpha))
    return losses
""",
        # a repeated list
        """
def train(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    if not len(batches):
        raise ValueError("batches")
    teacher.eval()
    for weight in teacher.parameters():
        weight.requires_grad = False
    student.train(True)
    return [train_step(student, teacher, each, optimizer, temperature, alpha) for each in list(batches) * epochs]
""",
        # itertools
        """
def train(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    from itertools import chain, repeat

    every = list(chain.from_iterable(repeat(batches, epochs)))
    if not every:
        raise ValueError("there is nothing to train on")
    freeze(teacher)
    student.train()
    return list(map(lambda batch: train_step(student, teacher, batch, optimizer, temperature, alpha), every))
""",
        # train mode set before every epoch, a tuple of floats
        """
def train(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    assert_batches = [batch for batch in batches]
    if assert_batches == []:
        raise ValueError("batches must hold at least one batch")
    freeze(teacher)
    losses = ()
    for _ in range(epochs):
        student.train()
        for batch in assert_batches:
            losses += (float(train_step(student, teacher, batch, optimizer, temperature, alpha)),)
    return losses
""",
        # while, and the teacher frozen again in each epoch
        """
def train(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    if len(batches) < 1:
        raise ValueError("need a batch")
    losses, epoch = [], 0
    while epoch < epochs:
        freeze(teacher)
        student.train()
        losses.extend(train_step(student, teacher, b, optimizer, temperature, alpha) for b in batches)
        epoch += 1
    return losses
""",
        # the step written out
        """
def train(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    if not batches:
        raise ValueError("batches is empty")
    student.train()
    freeze(teacher)
    losses = []
    for _ in range(epochs):
        for batch in batches:
            ids, mask = batch["input_ids"], batch["attention_mask"]
            with torch.no_grad():
                taught = teacher(ids, attention_mask=mask).logits[:, :-1]
            said = student(ids, attention_mask=mask).logits[:, :-1]
            loss = distillation_loss(said, taught, make_labels(ids, mask)[:, 1:], temperature, alpha)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses
""",
        # the student is left in eval mode afterwards
        """
def train(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    if len(batches) == 0:
        raise ValueError(f"batches holds {len(batches)} batches; it needs at least one")
    freeze(teacher)
    student.train()
    losses = [
        train_step(student, teacher, batch, optimizer, temperature, alpha) for _ in range(epochs) for batch in batches
    ]
    student.eval()
    return losses
""",
    ],
}

VARIANTS_WITHOUT_VALIDATION = {
    "train": """
def train(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    losses = []
    for _ in range(epochs):
        for batch in batches:
            losses.append(train_step(student, teacher, batch, optimizer, temperature, alpha))
    return losses
""",
    "make_labels": """
def make_labels(input_ids, attention_mask):
    return torch.where(attention_mask == 0, torch.tensor(-100), input_ids)
""",
    "next_token_pairs": """
def next_token_pairs(logits, labels):
    return logits[:, :-1], labels[:, 1:]
""",
    "train_step": """
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    ids, mask = batch["input_ids"], batch["attention_mask"]
    s = student(ids, attention_mask=mask).logits[:, :-1]
    with torch.no_grad():
        t = teacher(ids, attention_mask=mask).logits[:, :-1]
    counted = mask[:, 1:]
    n = counted.sum().clamp(min=1)
    p, log_q = torch.softmax(t / temperature, -1), torch.log_softmax(s / temperature, -1)
    kl = (torch.nn.functional.kl_div(log_q, p, reduction="none").sum(-1) * counted).sum() / n
    log_1 = torch.log_softmax(s, -1).gather(-1, ids[:, 1:].unsqueeze(-1)).squeeze(-1)
    loss = alpha * temperature ** 2 * kl - (1 - alpha) * (log_1 * counted).sum() / n
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
""",
}
