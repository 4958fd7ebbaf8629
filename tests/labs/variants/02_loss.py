"""Right answers to lab 02 in many forms, as students write them. Every one of them has to get full marks.

Each is the source of an exercise's cell; it sees the names of the lab's setup cells and of the earlier exercises.
VARIANTS_WITHOUT_VALIDATION are right but for the ValueErrors: they get three quarters.
"""

VARIANTS = {
    "soft_targets": [
        # the functional form
        """
def soft_targets(teacher_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature must be above 0")
    with torch.no_grad():
        return F.softmax(teacher_logits.float() / temperature, dim=-1)
""",
        # detached at the end
        """
def soft_targets(teacher_logits, temperature):
    if not temperature > 0:
        raise ValueError(f"temperature: {temperature}")
    return torch.softmax(teacher_logits.float() / temperature, dim=2).detach()
""",
        # by hand, the largest logit subtracted
        """
def soft_targets(teacher_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    z = teacher_logits.detach().float() / temperature
    z = z - z.max(dim=-1, keepdim=True).values
    weights = z.exp()
    return weights / weights.sum(dim=-1, keepdim=True)
""",
        # exp of log-softmax
        """
def soft_targets(teacher_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    return F.log_softmax(widen(teacher_logits.detach()) / temperature, dim=-1).exp()
""",
        # with logsumexp
        """
def soft_targets(teacher_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    z = teacher_logits.detach().to(torch.float32) / temperature
    return torch.exp(z - torch.logsumexp(z, dim=-1, keepdim=True))
""",
        # all in float64
        """
def soft_targets(teacher_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    return (teacher_logits.detach().double() / temperature).softmax(-1)
""",
        # a loop over rows
        """
def soft_targets(teacher_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    rows = [torch.softmax(row.detach().float() / temperature, dim=-1) for row in teacher_logits]
    return torch.stack(rows)
""",
        # multiplying by 1 / T, as a module
        """
def soft_targets(teacher_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    softmax = nn.Softmax(dim=-1)
    return softmax(teacher_logits.detach().clone().float().mul(1 / temperature))
""",
        # cast back to the dtype that came in
        """
def soft_targets(teacher_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    probabilities = F.softmax(teacher_logits.detach().float() / temperature, dim=-1)
    return probabilities.to(teacher_logits.dtype)
""",
        # flattened and back
        """
@torch.no_grad()
def soft_targets(teacher_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    flat = teacher_logits.reshape(-1, teacher_logits.shape[-1]).float()
    return F.softmax(flat / temperature, dim=1).reshape(teacher_logits.shape)
""",
    ],
    "soft_log_predictions": [
        """
def soft_log_predictions(student_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature must be above 0")
    return F.log_softmax(student_logits.float() / temperature, dim=-1)
""",
        """
def soft_log_predictions(student_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    return torch.log_softmax(student_logits.to(torch.float32) / temperature, 2)
""",
        # minus logsumexp
        """
def soft_log_predictions(student_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    z = widen(student_logits) / temperature
    return z - z.logsumexp(dim=-1, keepdim=True)
""",
        # by hand, the largest logit subtracted
        """
def soft_log_predictions(student_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    z = student_logits.float() / temperature
    z = z - z.amax(dim=-1, keepdim=True)
    return z - z.exp().sum(dim=-1, keepdim=True).log()
""",
        # float64
        """
def soft_log_predictions(student_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    return F.log_softmax(student_logits.double() / temperature, dim=-1)
""",
        # as a module, multiplied by 1 / T
        """
def soft_log_predictions(student_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    return nn.LogSoftmax(dim=-1)(student_logits.float() * (1.0 / temperature))
""",
        # the logits of a distribution object are log-probabilities
        """
def soft_log_predictions(student_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    distribution = torch.distributions.Categorical(logits=student_logits.float() / temperature, validate_args=False)
    return distribution.logits
""",
        # a loop over rows and positions
        """
def soft_log_predictions(student_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    rows = []
    for row in student_logits.float():
        rows.append(torch.stack([F.log_softmax(position / temperature, dim=0) for position in row]))
    return torch.stack(rows)
""",
        # cast back to the dtype that came in
        """
def soft_log_predictions(student_logits, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    return F.log_softmax(student_logits.float() / temperature, dim=-1).type_as(student_logits)
""",
    ],
    "kl_divergence": [
        # F.kl_div, the mask multiplied
        """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    if soft_targets.shape != soft_log_predictions.shape:
        raise ValueError("soft_targets and soft_log_predictions differ in shape")
    if mask.shape != soft_targets.shape[:2]:
        raise ValueError("mask must be (B, S)")
    kl = F.kl_div(soft_log_predictions, soft_targets, reduction="none").sum(-1)
    return (kl * mask.float()).sum() / max(mask.sum().item(), 1)
""",
        # by hand with xlogy, the mask by indexing
        """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    if soft_targets.shape != soft_log_predictions.shape or mask.shape != soft_targets.shape[:-1]:
        raise ValueError("shapes")
    p, log_q = soft_targets[mask], soft_log_predictions[mask]
    return (torch.xlogy(p, p) - p * log_q).sum() / max(len(p), 1)
""",
        # log_target, with the zeros lifted
        """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    if soft_targets.shape != soft_log_predictions.shape or mask.shape != soft_targets.shape[:-1]:
        raise ValueError("shapes")
    log_p = soft_targets.clamp(min=1e-30).log()
    per_token = F.kl_div(soft_log_predictions, log_p, reduction="none", log_target=True).sum(dim=-1)
    return per_token[mask].sum() / mask.sum().clamp(min=1)
""",
        # einsum
        """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    if soft_targets.shape != soft_log_predictions.shape or mask.shape != soft_targets.shape[:-1]:
        raise ValueError("shapes")
    weights = mask.to(soft_log_predictions.dtype)
    negative_entropy = torch.xlogy(soft_targets, soft_targets)
    cross = torch.einsum("bsv,bsv,bs->", soft_targets, soft_log_predictions, weights)
    return (torch.einsum("bsv,bs->", negative_entropy, weights) - cross) / weights.sum().clamp(min=1)
""",
        # torch.where for 0 log 0 and for the mask
        """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    if soft_targets.shape != soft_log_predictions.shape or mask.shape != soft_targets.shape[:-1]:
        raise ValueError("shapes")
    safe = torch.where(soft_targets > 0, soft_targets, torch.ones_like(soft_targets))
    per_word = soft_targets * (safe.log() - soft_log_predictions)
    per_token = torch.where(mask, per_word.sum(dim=-1), torch.zeros(()).to(per_word.dtype))
    return per_token.sum() / torch.clamp(mask.sum(), min=1)
""",
        # cross-entropy minus entropy, with special.entr
        """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    if soft_targets.shape != soft_log_predictions.shape or mask.shape != soft_targets.shape[:-1]:
        raise ValueError("shapes")
    cross_entropy = -(soft_targets * soft_log_predictions).sum(dim=-1)
    entropy = torch.special.entr(soft_targets).sum(dim=-1)
    return ((cross_entropy - entropy) * mask).sum() / mask.sum().clamp(min=1)
""",
        # loops over rows and positions
        """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    if soft_targets.shape != soft_log_predictions.shape or mask.shape != soft_targets.shape[:-1]:
        raise ValueError("shapes")
    total, counted = soft_log_predictions.sum() * 0.0, 0
    for p_row, q_row, mask_row in zip(soft_targets, soft_log_predictions, mask):
        for p, log_q, counts in zip(p_row, q_row, mask_row):
            if counts:
                total = total + F.kl_div(log_q, p, reduction="sum")
                counted += 1
    return total / max(counted, 1)
""",
        # masked_fill, float64 inside
        """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    if soft_targets.shape != soft_log_predictions.shape or mask.shape != soft_targets.shape[:-1]:
        raise ValueError("shapes")
    p, log_q = soft_targets.double(), soft_log_predictions.double()
    per_word = p * ((p + 1e-300).log() - log_q)
    per_word = per_word.masked_fill(~mask.unsqueeze(-1), 0.0)
    return (per_word.sum() / max(int(mask.sum()), 1)).float()
""",
        # reduction="batchmean" on the counted tokens alone, which is right, and 0 by hand for none
        """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    if soft_targets.shape != soft_log_predictions.shape or mask.shape != soft_targets.shape[:-1]:
        raise ValueError("shapes")
    if not mask.any():
        return 0.0 * soft_log_predictions.sum()
    return F.kl_div(soft_log_predictions[mask], soft_targets[mask], reduction="batchmean")
""",
        # nan_to_num for 0 log 0, on the teacher's side only
        """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    if soft_targets.size() != soft_log_predictions.size():
        raise ValueError("sizes of soft_targets and soft_log_predictions")
    if mask.size() != soft_targets.size()[:-1]:
        raise ValueError("size of mask")
    teacher = torch.nan_to_num(soft_targets * soft_targets.log(), nan=0.0)
    per_word = teacher - soft_targets * soft_log_predictions
    chosen = torch.masked_select(per_word.sum(dim=-1), mask)
    return chosen.sum() / max(chosen.numel(), 1)
""",
    ],
    "kl_gradient": [
        # from one's own pieces
        """
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    q = soft_log_predictions(student_logits, temperature).exp()
    p = soft_targets(teacher_logits, temperature)
    return (q - p) * mask.unsqueeze(-1) / (temperature * mask.sum().clamp(min=1))
""",
        # torch's softmax twice
        """
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    if teacher_logits.shape != student_logits.shape or tuple(mask.shape) != tuple(student_logits.shape[:2]):
        raise ValueError("shapes differ")
    q = F.softmax(student_logits.float() / temperature, dim=-1)
    p = F.softmax(teacher_logits.float() / temperature, dim=-1)
    n = max(int(mask.sum()), 1)
    return mask[:, :, None].float() * (q - p) / temperature / n
""",
        # autograd through one's own divergence
        """
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    if student_logits.shape != teacher_logits.shape:
        raise ValueError("shapes")
    with torch.enable_grad():
        z = student_logits.detach().clone().requires_grad_()
        loss = kl_divergence(soft_targets(teacher_logits, temperature), soft_log_predictions(z, temperature), mask)
        return torch.autograd.grad(loss, z)[0]
""",
        # where instead of a product
        """
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}")
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    pull = (widen(student_logits) / temperature).softmax(-1) - (widen(teacher_logits) / temperature).softmax(-1)
    pull = torch.where(mask[..., None], pull, torch.zeros_like(pull))
    return pull.div(temperature).div(mask.sum().clamp_min(1))
""",
        # only the counted tokens are computed
        """
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    gradient = torch.zeros(student_logits.shape)
    q = torch.softmax(student_logits[mask].float() / temperature, dim=-1)
    p = torch.softmax(teacher_logits[mask].float() / temperature, dim=-1)
    gradient[mask] = (q - p) / temperature / max(len(q), 1)
    return gradient
""",
        # a loop over rows and positions, in float64
        """
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    result = torch.zeros_like(student_logits, dtype=torch.float64)
    counted = sum(bool(m) for row in mask for m in row)
    for b in range(mask.shape[0]):
        for s in range(mask.shape[1]):
            if mask[b, s]:
                q = torch.softmax(student_logits[b, s].double() / temperature, 0)
                p = torch.softmax(teacher_logits[b, s].double() / temperature, 0)
                result[b, s] = (q - p) / (temperature * counted)
    return result
""",
        # the Jacobian of log-softmax, row by row
        """
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    p = soft_targets(teacher_logits, temperature)
    q = soft_log_predictions(student_logits, temperature).exp()
    V = p.shape[-1]
    jacobian = (torch.eye(V, dtype=p.dtype) - q[..., None, :]) / temperature  # ∂ log q_v / ∂ z_i at [v, i]
    per_token = -torch.einsum("bsv,bsvi->bsi", p, jacobian)
    return per_token * mask[..., None] / mask.sum().clamp(min=1)
""",
        # flattened and back, and cast back to the dtype that came in
        """
@torch.no_grad()
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    if temperature <= 0:
        raise ValueError("temperature")
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    V = student_logits.shape[-1]
    student, teacher = (x.reshape(-1, V).float() / temperature for x in (student_logits, teacher_logits))
    weights = mask.reshape(-1, 1).float() / mask.sum().clamp(min=1)
    gradient = (student.softmax(1) - teacher.softmax(1)) * weights / temperature
    return gradient.reshape(student_logits.shape).to(student_logits.dtype)
""",
        # the gradient of the cross-entropy, which is the same
        """
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    if student_logits.shape != teacher_logits.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    p = soft_targets(teacher_logits, temperature)
    z = widen(student_logits.detach()).clone().requires_grad_(True)
    with torch.enable_grad():
        cross_entropy = -(p * F.log_softmax(z / temperature, dim=-1)).sum(-1)
        (cross_entropy * mask).sum().backward()
    return z.grad / mask.sum().clamp(min=1)
""",
    ],
    "hard_loss": [
        # the sum, divided
        """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:2]:
        raise ValueError("labels must be (B, S)")
    flat, targets = student_logits.reshape(-1, student_logits.size(-1)).float(), labels.reshape(-1)
    total = F.cross_entropy(flat, targets, ignore_index=-100, reduction="sum")
    return total / max((labels != -100).sum().item(), 1)
""",
        # the vocabulary moved to the second axis
        """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError("labels")
    per_token = F.cross_entropy(student_logits.float().transpose(1, 2), labels, reduction="none")
    return per_token.sum() / (labels != IGNORE).sum().clamp(min=1)
""",
        # indexing
        """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError("labels")
    counted = labels != IGNORE
    per_token = F.cross_entropy(widen(student_logits[counted]), labels[counted], reduction="none")
    return per_token.sum() / max(counted.sum(), 1)
""",
        # gather
        """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError("labels")
    mask = labels.ne(-100)
    log_q = F.log_softmax(student_logits.float(), dim=-1)
    chosen = log_q.gather(dim=-1, index=labels.masked_fill(~mask, 0).unsqueeze(-1)).squeeze(-1)
    return -(chosen * mask).sum() / mask.sum().clamp(min=1)
""",
        # logsumexp minus the label's logit
        """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError("labels")
    z = student_logits.double()
    counted = labels >= 0
    chosen = torch.take_along_dim(z, labels.clamp(min=0)[..., None], dim=-1)[..., 0]
    losses = torch.where(counted, z.logsumexp(dim=-1) - chosen, 0.0)
    return losses.sum() / counted.sum().clamp(min=1)
""",
        # one-hot
        """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError("labels")
    counted = (labels != IGNORE).float()
    one_hot = F.one_hot(labels.clamp(min=0), student_logits.shape[-1]).float()
    per_token = -(one_hot * F.log_softmax(student_logits.float(), dim=-1)).sum(dim=-1)
    return (per_token * counted).sum() / counted.sum().clamp(min=1.0)
""",
        # nll_loss
        """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError("labels")
    flat = torch.log_softmax(student_logits.float(), dim=-1).flatten(0, 1)
    total = F.nll_loss(flat, labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / torch.clamp((labels != IGNORE).sum(), min=1)
""",
        # the built-in mean, with a way out for nothing counted
        """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError("labels")
    if (labels == IGNORE).all():
        return student_logits.float().sum() * 0
    return nn.CrossEntropyLoss()(student_logits.float().flatten(0, 1), labels.flatten())
""",
        # cast back to the dtype that came in
        """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError("labels")
    flat = student_logits.float().flatten(0, 1)
    total = F.cross_entropy(flat, labels.flatten(), reduction="sum")
    return (total / (labels != IGNORE).sum().clamp(min=1)).to(student_logits.dtype)
""",
        # loops over rows and positions
        """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError("labels")
    total, counted = student_logits.float().sum() * 0.0, 0
    for row, targets in zip(student_logits.float(), labels):
        for scores, target in zip(row, targets.tolist()):
            if target != -100:
                total = total - F.log_softmax(scores, dim=-1)[target]
                counted += 1
    return total / max(counted, 1)
""",
        # soft_log_predictions of the earlier exercise at T = 1
        """
def hard_loss(student_logits, labels):
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError("labels")
    log_q = soft_log_predictions(student_logits, 1.0)
    total = F.nll_loss(log_q.permute(0, 2, 1), labels, ignore_index=-100, reduction="sum")
    return total / labels.ne(-100).sum().clamp_min(1)
""",
    ],
    "distillation_loss": [
        # with one's own functions
        """
def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    if alpha < 0 or alpha > 1:
        raise ValueError("alpha must lie in [0, 1]")
    if student_logits.shape != teacher_logits.shape:
        raise ValueError("student_logits and teacher_logits differ in shape")
    p = soft_targets(teacher_logits, temperature)
    log_q = soft_log_predictions(student_logits, temperature)
    kl = kl_divergence(p, log_q, labels != -100)
    return alpha * temperature**2 * kl + (1 - alpha) * hard_loss(student_logits, labels)
""",
        # everything written out, the mask multiplied
        """
def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    T = temperature
    if T <= 0:
        raise ValueError("temperature")
    if not 0 <= alpha <= 1:
        raise ValueError("alpha")
    if student_logits.shape != teacher_logits.shape or labels.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    mask = (labels != -100).float()
    n = mask.sum().clamp(min=1)
    with torch.no_grad():
        p = F.softmax(teacher_logits.float() / T, dim=-1)
    log_q = F.log_softmax(student_logits.float() / T, dim=-1)
    kl = (F.kl_div(log_q, p, reduction="none").sum(-1) * mask).sum() / n
    V = student_logits.size(-1)
    ce = F.cross_entropy(student_logits.float().reshape(-1, V), labels.reshape(-1), reduction="sum") / n
    return alpha * T * T * kl + (1 - alpha) * ce
""",
        # counted tokens picked first, log_target
        """
def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    if not temperature > 0:
        raise ValueError("temperature")
    if not 0 <= alpha <= 1:
        raise ValueError("alpha")
    if student_logits.shape != teacher_logits.shape or labels.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    counted = labels != IGNORE
    student, teacher, targets = widen(student_logits[counted]), widen(teacher_logits[counted].detach()), labels[counted]
    log_q = F.log_softmax(student / temperature, dim=-1)
    log_p = F.log_softmax(teacher / temperature, dim=-1)
    n = max(targets.numel(), 1)
    soft = F.kl_div(log_q, log_p, reduction="sum", log_target=True) / n
    hard = F.cross_entropy(student, targets, reduction="sum") / n
    return alpha * temperature**2 * soft + (1 - alpha) * hard
""",
        # per token first, one mean at the end
        """
def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    if temperature <= 0 or alpha < 0 or alpha > 1:
        raise ValueError("temperature or alpha")
    if student_logits.shape != teacher_logits.shape or labels.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    log_p = (teacher_logits.detach().float() / temperature).log_softmax(dim=-1)
    log_q = (student_logits.float() / temperature).log_softmax(dim=-1)
    soft = (log_p.exp() * (log_p - log_q)).sum(dim=-1)
    hard = F.cross_entropy(student_logits.float().transpose(1, 2), labels, reduction="none", ignore_index=IGNORE)
    per_token = torch.lerp(hard, temperature**2 * soft, alpha)
    mask = labels != IGNORE
    return per_token[mask].sum() / mask.sum().clamp(min=1)
""",
        # float64 inside
        """
def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    if temperature <= 0 or not 0 <= alpha <= 1:
        raise ValueError("temperature or alpha")
    if student_logits.shape != teacher_logits.shape or labels.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    student, teacher = student_logits.double(), teacher_logits.detach().double()
    p = (teacher / temperature).softmax(-1)
    log_q = (student / temperature).log_softmax(-1)
    mask = (labels != -100).double()
    kl = ((torch.xlogy(p, p) - p * log_q) * mask.unsqueeze(-1)).sum()
    log_predictions = student.log_softmax(-1).gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    ce = -(log_predictions * mask).sum()
    return (alpha * temperature**2 * kl + (1 - alpha) * ce) / mask.sum().clamp(min=1)
""",
        # einsum and cross-entropy minus entropy
        """
def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    if temperature <= 0 or not 0 <= alpha <= 1:
        raise ValueError("temperature or alpha")
    if student_logits.shape != teacher_logits.shape or labels.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    mask = (labels != IGNORE).to(torch.float32)
    p = torch.softmax(teacher_logits.detach().to(torch.float32) / temperature, dim=-1)
    log_q = torch.log_softmax(student_logits.to(torch.float32) / temperature, dim=-1)
    cross = -torch.einsum("bsv,bsv,bs->", p, log_q, mask)
    entropy = torch.einsum("bsv,bs->", torch.special.entr(p), mask)
    soft = (cross - entropy) / mask.sum().clamp(min=1)
    return alpha * temperature**2 * soft + (1 - alpha) * hard_loss(student_logits, labels)
""",
        # a loop over rows
        """
def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    if temperature <= 0 or not 0 <= alpha <= 1:
        raise ValueError("temperature or alpha")
    if student_logits.shape != teacher_logits.shape or labels.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    soft = hard = student_logits.float().sum() * 0.0
    for student, teacher, targets in zip(student_logits.float(), teacher_logits.detach().float(), labels):
        keep = targets != -100
        log_q = F.log_softmax(student[keep] / temperature, dim=-1)
        soft = soft + F.kl_div(log_q, F.softmax(teacher[keep] / temperature, dim=-1), reduction="sum")
        hard = hard + F.cross_entropy(student, targets, reduction="sum", ignore_index=-100)
    n = max(int((labels != -100).sum()), 1)
    return (alpha * temperature**2 * soft + (1 - alpha) * hard) / n
""",
        # flat tokens and batchmean over tokens, which is right
        """
def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    if temperature <= 0 or not 0 <= alpha <= 1:
        raise ValueError("temperature or alpha")
    if student_logits.shape != teacher_logits.shape or labels.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    V = student_logits.shape[-1]
    flat = labels.reshape(-1)
    rows = (flat != -100).nonzero().squeeze(-1)
    if rows.numel() == 0:
        return student_logits.sum() * 0
    student = student_logits.reshape(-1, V)[rows].float()
    teacher = teacher_logits.detach().reshape(-1, V)[rows].float()
    kl = nn.KLDivLoss(reduction="batchmean")(
        F.log_softmax(student / temperature, dim=1), F.softmax(teacher / temperature, dim=1)
    )
    return alpha * kl * temperature**2 + (1.0 - alpha) * F.cross_entropy(student, flat[rows])
""",
        # a term whose weight is 0 is left out
        """
def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    if temperature <= 0 or not 0 <= alpha <= 1:
        raise ValueError("temperature or alpha")
    if student_logits.shape != teacher_logits.shape:
        raise ValueError("shapes")
    loss = 0.0
    if alpha < 1:
        loss = loss + (1 - alpha) * hard_loss(student_logits, labels)
    if alpha > 0:
        p, log_q = soft_targets(teacher_logits, temperature), soft_log_predictions(student_logits, temperature)
        loss = loss + alpha * temperature**2 * kl_divergence(p, log_q, labels.ne(IGNORE))
    return loss
""",
    ],
    "DistillationLoss": [
        # one's own function
        """
class DistillationLoss(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature = temperature
        self.alpha = alpha

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(
            student_logits, teacher_logits, labels, temperature=self.temperature, alpha=self.alpha
        )
""",
        # validated in the constructor too
        """
class DistillationLoss(torch.nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super(DistillationLoss, self).__init__()
        if temperature <= 0:
            raise ValueError("temperature must be above 0")
        if not 0 <= alpha <= 1:
            raise ValueError("alpha must lie in [0, 1]")
        self.temperature, self.alpha = float(temperature), float(alpha)

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(student_logits, teacher_logits, labels, self.temperature, self.alpha)
""",
        # the four pieces
        """
class DistillationLoss(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature = temperature
        self.alpha = alpha

    def forward(self, student_logits, teacher_logits, labels):
        if not 0 <= self.alpha <= 1:
            raise ValueError("alpha")
        targets = soft_targets(teacher_logits, self.temperature)
        predictions = soft_log_predictions(student_logits, self.temperature)
        soft = kl_divergence(targets, predictions, labels != IGNORE)
        hard = hard_loss(student_logits, labels)
        return self.alpha * self.temperature**2 * soft + (1 - self.alpha) * hard
""",
        # everything written out
        """
class DistillationLoss(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        if not temperature > 0:
            raise ValueError("temperature")
        if not 0 <= alpha <= 1:
            raise ValueError("alpha")
        self.temperature = temperature
        self.alpha = alpha

    def forward(self, student_logits, teacher_logits, labels):
        if student_logits.shape != teacher_logits.shape:
            raise ValueError("student_logits and teacher_logits differ in shape")
        counted = labels != -100
        n = counted.sum().clamp(min=1)
        T = self.temperature
        p = F.softmax(teacher_logits.detach().float() / T, dim=-1)
        log_q = F.log_softmax(student_logits.float() / T, dim=-1)
        kl = (F.kl_div(log_q, p, reduction="none").sum(-1) * counted).sum() / n
        ce = F.cross_entropy(student_logits.float().flatten(0, 1), labels.flatten(), reduction="sum") / n
        return self.alpha * T**2 * kl + (1 - self.alpha) * ce
""",
        # properties that validate
        """
class DistillationLoss(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature = temperature
        self.alpha = alpha

    @property
    def temperature(self):
        return self._temperature

    @temperature.setter
    def temperature(self, value):
        if value <= 0:
            raise ValueError("temperature must be above 0")
        self._temperature = value

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(student_logits, teacher_logits, labels, self.temperature, self.alpha)
""",
        # two modules inside, T² outside
        """
class DistillationLoss(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature, self.alpha = temperature, alpha
        self.kl = nn.KLDivLoss(reduction="sum")
        self.ce = nn.CrossEntropyLoss(ignore_index=-100, reduction="sum")

    def forward(self, student_logits, teacher_logits, labels):
        if self.temperature <= 0 or not 0 <= self.alpha <= 1 or student_logits.shape != teacher_logits.shape:
            raise ValueError("temperature, alpha or shapes")
        counted = labels != -100
        student, teacher = student_logits[counted].float(), teacher_logits[counted].detach().float()
        soft = self.kl((student / self.temperature).log_softmax(-1), (teacher / self.temperature).softmax(-1))
        hard = self.ce(student, labels[counted])
        return (self.alpha * self.temperature**2 * soft + (1 - self.alpha) * hard) / max(len(student), 1)
""",
        # helper methods
        """
class DistillationLoss(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        nn.Module.__init__(self)
        self.temperature = temperature
        self.alpha = alpha

    def soft_term(self, student_logits, teacher_logits, labels):
        return distillation_loss(student_logits, teacher_logits, labels, self.temperature, 1.0)

    def forward(self, student_logits, teacher_logits, labels):
        if not 0 <= self.alpha <= 1:
            raise ValueError("alpha")
        soft = self.soft_term(student_logits, teacher_logits, labels)
        return self.alpha * soft + (1 - self.alpha) * hard_loss(student_logits, labels)
""",
        # the attributes in one mapping
        """
class DistillationLoss(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.settings = {"temperature": temperature, "alpha": alpha}

    def __getattr__(self, name):
        if name in ("temperature", "alpha"):
            return self.__dict__["settings"][name]
        return super().__getattr__(name)

    def __setattr__(self, name, value):
        if name in ("temperature", "alpha"):
            self.__dict__["settings"][name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, student_logits, teacher_logits, labels):
        return distillation_loss(student_logits, teacher_logits, labels, **self.settings)
""",
        # per token first, one mean at the end
        """
class DistillationLoss(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature = temperature
        self.alpha = alpha

    def forward(self, student_logits, teacher_logits, labels):
        T, a = self.temperature, self.alpha
        if T <= 0 or a < 0 or a > 1:
            raise ValueError("temperature or alpha")
        if student_logits.shape != teacher_logits.shape:
            raise ValueError("shapes")
        log_p = (teacher_logits.detach().double() / T).log_softmax(-1)
        log_q = (student_logits.double() / T).log_softmax(-1)
        soft = (log_p.exp() * (log_p - log_q)).sum(-1)
        hard = F.cross_entropy(student_logits.double().movedim(-1, 1), labels, reduction="none")
        counted = labels != -100
        return ((a * T**2 * soft + (1 - a) * hard) * counted).sum() / counted.sum().clamp(min=1)
""",
    ],
}

VARIANTS_WITHOUT_VALIDATION = {
    "soft_targets": """
def soft_targets(teacher_logits, temperature):
    return F.softmax(teacher_logits.detach().float() / temperature, dim=-1)
""",
    "soft_log_predictions": """
def soft_log_predictions(student_logits, temperature):
    return F.log_softmax(student_logits.float() / temperature, dim=-1)
""",
    "kl_divergence": """
def kl_divergence(soft_targets, soft_log_predictions, mask):
    per_token = torch.xlogy(soft_targets, soft_targets) - soft_targets * soft_log_predictions
    return (per_token * mask[..., None]).sum() / mask.sum().clamp(min=1)
""",
    "kl_gradient": """
def kl_gradient(student_logits, teacher_logits, mask, temperature):
    q = F.softmax(student_logits.float() / temperature, dim=-1)
    p = F.softmax(teacher_logits.float() / temperature, dim=-1)
    return (q - p) / temperature * mask[..., None] / mask.sum().clamp(min=1)
""",
    "hard_loss": """
def hard_loss(student_logits, labels):
    counted = (labels != IGNORE).sum().clamp(min=1)
    chosen = F.log_softmax(student_logits.float(), dim=-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return -(chosen * (labels != IGNORE)).sum() / counted
""",
    "distillation_loss": """
def distillation_loss(student_logits, teacher_logits, labels, temperature=3.0, alpha=0.5):
    mask = (labels != -100).float()
    n = mask.sum().clamp(min=1)
    log_p = F.log_softmax(teacher_logits.detach().float() / temperature, dim=-1)
    log_q = F.log_softmax(student_logits.float() / temperature, dim=-1)
    kl = ((log_p.exp() * (log_p - log_q)).sum(-1) * mask).sum() / n
    chosen = F.log_softmax(student_logits.float(), dim=-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return alpha * temperature**2 * kl - (1 - alpha) * (chosen * mask).sum() / n
""",
    "DistillationLoss": """
class DistillationLoss(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.5):
        super().__init__()
        self.temperature = temperature
        self.alpha = alpha

    def forward(self, student_logits, teacher_logits, labels):
        T, mask = self.temperature, (labels != -100).float()
        n = mask.sum().clamp(min=1)
        log_p = F.log_softmax(teacher_logits.detach().float() / max(T, 1e-6), dim=-1)
        log_q = F.log_softmax(student_logits.float() / max(T, 1e-6), dim=-1)
        kl = ((log_p.exp() * (log_p - log_q)).sum(-1) * mask).sum() / n
        ce = F.cross_entropy(student_logits.float().flatten(0, 1), labels.flatten(), reduction="sum") / n
        return self.alpha * T**2 * kl + (1 - self.alpha) * ce
""",
}
