"""Right answers to lab 01, written in the different ways in which students write them. All must get every point."""

VARIANTS = {
    "softmax_with_temperature": [
        # torch's own softmax
        """
def softmax_with_temperature(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    return torch.softmax(logits.float() / temperature, dim=-1)
""",
        # the functional form, which converts before it computes, on logits that are widened first
        """
def softmax_with_temperature(logits, temperature):
    if not temperature > 0:
        raise ValueError("temperature")
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.softmax(wide / temperature, dim=wide.dim() - 1, dtype=wide.dtype)
""",
        # by hand, the largest logit subtracted before the division
        """
def softmax_with_temperature(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    z = logits.float()
    z = z - z.max(dim=-1, keepdim=True).values
    e = torch.exp(z / temperature)
    return e / e.sum(dim=-1, keepdim=True)
""",
        # logsumexp
        """
def softmax_with_temperature(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    scaled = logits.float() / temperature
    return torch.exp(scaled - torch.logsumexp(scaled, dim=-1, keepdim=True))
""",
        # everything in float64
        """
def softmax_with_temperature(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    return (logits.double() / temperature).softmax(-1)
""",
        # the exponential of log_softmax, and the result in the dtype that came in
        """
def softmax_with_temperature(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    return F.log_softmax(logits.float() / temperature, dim=-1).exp().to(logits.dtype)
""",
        # row by row in a loop
        """
def softmax_with_temperature(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    rows = []
    for row in logits.reshape(-1, logits.shape[-1]):
        y = [z.float() / temperature for z in row]
        top = max(y)
        weights = torch.stack([torch.exp(value - top) for value in y])
        rows.append(weights / weights.sum())
    return torch.stack(rows).reshape(logits.shape)
""",
        # ratios of all pairs: 1 / sum over j of exp((z_j - z_i) / T)
        """
def softmax_with_temperature(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    z = logits.double()
    differences = (z[..., None, :] - z[..., :, None]) / temperature
    return 1 / differences.exp().sum(dim=-1)
""",
        # multiplying by 1/T, in place but on a copy
        """
def softmax_with_temperature(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    work = logits.detach().clone().float()
    work *= 1 / temperature
    work -= work.amax(-1, keepdim=True)
    work.exp_()
    return work / torch.einsum("...v->...", work)[..., None]
""",
        # powers of the ordinary probabilities, by way of their logarithms
        """
def softmax_with_temperature(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    tempered = torch.log_softmax(logits.double(), dim=-1) / temperature
    return torch.softmax(tempered, dim=-1)
""",
        # a module, the vocabulary moved to the front and back
        """
def softmax_with_temperature(logits, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    front = logits.float().movedim(-1, 0) / temperature
    return torch.nn.Softmax(dim=0)(front).movedim(0, -1)
""",
    ],
    "entropy": [
        # xlogy knows that 0 log 0 is 0
        """
def entropy(probs):
    return -torch.xlogy(probs, probs).sum(dim=-1)
""",
        # torch has it built in
        """
def entropy(probs):
    return torch.special.entr(probs).sum(-1)
""",
        # and in its distributions too
        """
def entropy(probs):
    return torch.distributions.Categorical(probs=probs, validate_args=False).entropy()
""",
        # NaN replaced by 0
        """
def entropy(probs):
    return -(probs * probs.log()).nan_to_num(0.0).sum(dim=-1)
""",
        # zeros clamped away
        """
def entropy(probs):
    return -(probs * torch.log(probs.clamp(min=1e-12))).sum(-1)
""",
        # a very small number added
        """
def entropy(probs):
    return -torch.sum(probs * torch.log(probs + 1e-10), dim=-1)
""",
        # torch.where around the product
        """
def entropy(probs):
    return torch.where(probs == 0, 0.0, -probs * probs.log()).sum(dim=-1)
""",
        # row by row, only over what is there
        """
def entropy(probs):
    values = []
    for row in probs.reshape(-1, probs.shape[-1]):
        kept = row[row > 0]
        values.append(-(kept * kept.log()).sum())
    return torch.stack(values).reshape(probs.shape[:-1])
""",
        # plain Python
        """
def entropy(probs):
    rows = probs.reshape(-1, probs.shape[-1]).tolist()
    values = [-sum(p * math.log(p) for p in row if p > 0) for row in rows]
    return torch.tensor(values, dtype=probs.dtype).reshape(probs.shape[:-1])
""",
        # bits, turned into nats, in float64
        """
def entropy(probs):
    p = probs.double()
    bits = -(p * torch.log2(torch.where(p > 0, p, torch.ones_like(p)))).sum(-1)
    return bits * math.log(2)
""",
        # einsum of probabilities and surprises
        """
def entropy(probs):
    surprise = -probs.masked_fill(probs == 0, 1).log()
    return torch.einsum("...v,...v->...", probs, surprise)
""",
        # log V less the divergence from the uniform distribution
        """
def entropy(probs):
    size = probs.shape[-1]
    return math.log(size) - torch.xlogy(probs, probs * size).sum(dim=-1)
""",
        # cross-entropy with itself
        """
def entropy(probs):
    flat = probs.reshape(-1, probs.shape[-1])
    log_probs = flat.clamp_min(torch.finfo(flat.dtype).tiny).log()
    return F.cross_entropy(log_probs, flat, reduction="none").reshape(probs.shape[:-1])
""",
    ],
    "non_top_mass": [
        # the largest value of max's two results
        """
def non_top_mass(probs):
    return 1 - probs.max(dim=-1).values
""",
        # the sum less the largest
        """
def non_top_mass(probs):
    return probs.sum(dim=-1) - probs.amax(dim=-1)
""",
        # sorted from large to small, all but the first
        """
def non_top_mass(probs):
    return torch.sort(probs, dim=-1, descending=True).values[..., 1:].sum(dim=-1)
""",
        # sorted from small to large, all but the last
        """
def non_top_mass(probs):
    ordered, _ = probs.sort()
    return ordered[..., :-1].sum(-1)
""",
        # topk
        """
def non_top_mass(probs):
    return 1.0 - probs.topk(1, dim=-1).values.squeeze(-1)
""",
        # argmax and gather
        """
def non_top_mass(probs):
    place = probs.argmax(dim=-1, keepdim=True)
    return 1 - probs.gather(-1, place)[..., 0]
""",
        # one entry set to 0 in a copy
        """
def non_top_mass(probs):
    rest = probs.clone()
    rest.scatter_(-1, probs.argmax(dim=-1, keepdim=True), 0.0)
    return rest.sum(dim=-1)
""",
        # a mask of the one entry
        """
def non_top_mass(probs):
    top = F.one_hot(probs.argmax(dim=-1), probs.shape[-1]).bool()
    return torch.where(top, torch.zeros_like(probs), probs).sum(dim=-1)
""",
        # row by row
        """
def non_top_mass(probs):
    rows = probs.reshape(-1, probs.shape[-1])
    return torch.stack([1 - max(row) for row in rows]).reshape(probs.shape[:-1])
""",
        # plain Python
        """
def non_top_mass(probs):
    if probs.dim() == 1:
        values = sorted(probs.tolist())
        return torch.tensor(sum(values[:-1]))
    return torch.stack([non_top_mass(row) for row in probs])
""",
        # the infinity norm, in float64
        """
def non_top_mass(probs):
    return 1 - torch.linalg.vector_norm(probs.double(), ord=float("inf"), dim=-1)
""",
        # the last dimension moved to the front
        """
def non_top_mass(probs):
    first = torch.movedim(probs, -1, 0)
    return torch.ones(()) - first.max(0)[0]
""",
    ],
}

# Right but for the test of the input: these lose the quarter that validation is worth, and nothing else.
VARIANTS_WITHOUT_VALIDATION = {
    "softmax_with_temperature": """
def softmax_with_temperature(logits, temperature):
    return torch.softmax(logits.float() / temperature, dim=-1)
""",
}
