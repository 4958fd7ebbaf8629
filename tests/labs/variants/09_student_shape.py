"""Right answers to lab 09 in many forms, as students write them. Every one of them has to get full marks.

Each is the source of an exercise's cell; it sees the names of the lab's setup cells and of the earlier exercises.
VARIANTS_WITHOUT_VALIDATION are right but for the ValueErrors: they get three quarters.
"""

VARIANTS = {
    "parameters_of": [
        "def parameters_of(layers, width, vocabulary, positions):\n"
        "    return (vocabulary + positions) * width + layers * (12 * width**2 + 13 * width) + 2 * width\n",
        # built on the meta device
        """
def parameters_of(layers, width, vocabulary, positions):
    shapes = [(vocabulary, width), (positions, width), (width,), (width,)]
    for _ in range(layers):
        shapes += [(width,)] * 4
        for inputs, outputs in ((width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)):
            shapes += [(inputs, outputs), (outputs,)]
    return sum(torch.Size(shape).numel() for shape in shapes)
""",
        # modules that have no memory
        """
def parameters_of(layers, width, vocabulary, positions):
    with torch.device("meta"):
        layer = nn.ModuleList([
            nn.Linear(width, 3 * width), nn.Linear(width, width), nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width), nn.LayerNorm(width), nn.LayerNorm(width),
        ])
        rest = nn.ModuleList([nn.Embedding(vocabulary, width), nn.Embedding(positions, width), nn.LayerNorm(width)])
    count = lambda part: sum(weight.numel() for weight in part.parameters())
    return layers * count(layer) + count(rest)
""",
        # step by step
        """
def parameters_of(layers, width, vocabulary, positions):
    total = vocabulary * width
    total += positions * width
    attention = width * 3 * width + 3 * width + width * width + width
    feed_forward = width * 4 * width + 4 * width + 4 * width * width + width
    norms = 4 * width
    for _ in range(layers):
        total += attention + feed_forward + norms
    total += 2 * width
    return total
""",
        # factored
        "def parameters_of(layers, width, vocabulary, positions):\n"
        "    return width * (vocabulary + positions + 2 + layers * (12 * width + 13))\n",
        # a helper function
        """
def matrix(inputs, outputs):
    return inputs * outputs + outputs


def parameters_of(layers, width, vocabulary, positions):
    w = width
    one = matrix(w, 3 * w) + matrix(w, w) + matrix(w, 4 * w) + matrix(4 * w, w) + 2 * matrix(1, w)
    return vocabulary * w + positions * w + layers * one + matrix(1, w)
""",
        # a dictionary of parts
        """
def parameters_of(layers, width, vocabulary, positions):
    parts = {
        "tokens": vocabulary * width, "positions": positions * width, "final norm": width + width,
        "layers": layers * sum([12 * width * width, 9 * width, 4 * width]),
    }
    return sum(parts.values())
""",
        # keyword defaults and int()
        "def parameters_of(layers, width, vocabulary, positions):\n"
        "    per_layer = 3 * width * (4 * width + 3) + 4 * width\n"
        "    return int(per_layer * layers) + width * (2 + positions + vocabulary)\n",
    ],
    "layer_influence": [
        # by hand: dot product over lengths
        """
def layer_influence(hidden_states, mask):
    if len(hidden_states) < 2 or mask.sum() == 0:
        raise ValueError("nothing to measure")
    found = []
    for i in range(len(hidden_states) - 1):
        a, b = hidden_states[i][mask == 1], hidden_states[i + 1][mask == 1]
        cosine = (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1))
        found.append((1 - cosine).mean().item())
    return found
""",
        # weighted by the mask
        """
def layer_influence(hidden_states, mask):
    count = mask.sum().item()
    if len(hidden_states) < 2 or count == 0:
        raise ValueError("nothing to measure")
    weights = mask.float() / count
    cosines = [F.cosine_similarity(a, b, dim=-1) for a, b in zip(hidden_states, hidden_states[1:])]
    return [1 - (cosine * weights).sum().item() for cosine in cosines]
""",
        # normalised first
        """
def layer_influence(hidden_states, mask):
    keep = mask.to(torch.bool)
    if len(hidden_states) <= 1 or not keep.any():
        raise ValueError("layer_influence")
    units = [F.normalize(state[keep], dim=-1) for state in hidden_states]
    return [float(1 - (a * b).sum(dim=-1).mean()) for a, b in zip(units[:-1], units[1:])]
""",
        # all at once, stacked, without gradients
        """
@torch.no_grad()
def layer_influence(hidden_states, mask):
    if len(hidden_states) < 2 or not mask.any():
        raise ValueError("layer_influence")
    picked = torch.stack([state[mask.bool()] for state in hidden_states])
    return (1 - torch.cosine_similarity(picked[:-1], picked[1:], dim=-1).mean(dim=1)).tolist()
""",
        # an nn module
        """
def layer_influence(hidden_states, mask):
    counted = mask != 0
    if len(hidden_states) < 2 or int(counted.sum()) < 1:
        raise ValueError("layer_influence")
    similar = nn.CosineSimilarity(dim=-1)
    return [1.0 - similar(hidden_states[i][counted], hidden_states[i + 1][counted]).mean().item()
            for i in range(len(hidden_states) - 1)]
""",
        # flattened
        """
def layer_influence(hidden_states, mask):
    flat = mask.reshape(-1).bool()
    if len(hidden_states) < 2 or not bool(flat.any()):
        raise ValueError("layer_influence")
    rows = [state.reshape(-1, state.shape[-1])[flat].double() for state in hidden_states]
    return [1 - F.cosine_similarity(a, b).mean().item() for a, b in zip(rows, rows[1:])]
""",
        # position by position
        """
def layer_influence(hidden_states, mask):
    places = mask.nonzero().tolist()
    if len(hidden_states) < 2 or not places:
        raise ValueError("layer_influence")
    result = []
    for before, after in zip(hidden_states, hidden_states[1:]):
        total = sum(F.cosine_similarity(before[r, s], after[r, s], dim=0).item() for r, s in places)
        result.append(1 - total / len(places))
    return result
""",
        # two errors
        """
def layer_influence(hidden_states, mask):
    if len(hidden_states) < 2:
        raise ValueError("a layer has two states")
    counted = mask > 0
    if counted.sum().item() == 0:
        raise ValueError("no position counts")
    influence = []
    previous = hidden_states[0]
    for state in hidden_states[1:]:
        influence.append(float((1 - F.cosine_similarity(previous, state, dim=2))[counted].mean()))
        previous = state
    return influence
""",
    ],
    "keep_layers": [
        # delete from the copy
        """
def keep_layers(model, kept):
    kept = list(kept)
    n = len(model.transformer.h)
    if len(kept) == 0 or any(i < 0 or i >= n for i in kept) or any(b <= a for a, b in zip(kept, kept[1:])):
        raise ValueError("kept")
    student = copy.deepcopy(model)
    for i in reversed(range(n)):
        if i not in kept:
            del student.transformer.h[i]
    student.config.n_layer = len(kept)
    for i, layer in enumerate(student.transformer.h):
        layer.attn.layer_idx = i
    return student
""",
        # built anew from a config
        """
def keep_layers(model, kept):
    if not kept or sorted(set(kept)) != list(kept) or min(kept) < 0 or max(kept) >= len(model.transformer.h):
        raise ValueError("kept")
    config = copy.deepcopy(model.config)
    config.n_layer = len(kept)
    student = type(model)(config)
    for name in ("wte", "wpe", "ln_f"):
        getattr(student.transformer, name).load_state_dict(getattr(model.transformer, name).state_dict())
    for new, old in enumerate(kept):
        student.transformer.h[new].load_state_dict(model.transformer.h[old].state_dict())
    if not config.tie_word_embeddings:
        student.lm_head.load_state_dict(model.lm_head.state_dict())
    return student.train(model.training)
""",
        # by names of the state dict
        """
def keep_layers(model, kept):
    count = len(model.transformer.h)
    if kept == [] or not set(kept) <= set(range(count)) or kept != sorted(set(kept)):
        raise ValueError("kept")
    config = copy.deepcopy(model.config)
    config.n_layer = len(kept)
    student = type(model)(config)
    state = {}
    for name, value in model.state_dict().items():
        parts = name.split(".")
        if parts[:2] == ["transformer", "h"]:
            if int(parts[2]) not in kept:
                continue
            parts[2] = str(kept.index(int(parts[2])))
        state[".".join(parts)] = value
    student.load_state_dict(state)
    return student
""",
        # only the kept layers are copied
        """
def keep_layers(model, kept):
    layers = model.transformer.h
    for i in kept:
        if i not in range(len(layers)):
            raise ValueError("kept")
    if not kept or len(set(kept)) < len(kept) or list(kept) != sorted(kept):
        raise ValueError("kept")
    model.transformer.h = nn.ModuleList()
    try:
        student = copy.deepcopy(model)
    finally:
        model.transformer.h = layers
    student.transformer.h = nn.ModuleList(copy.deepcopy(layers[i]) for i in kept)
    student.config.n_layer = len(kept)
    for i in range(len(kept)):
        student.transformer.h[i].attn.layer_idx = i
    return student
""",
        # num_hidden_layers is the same attribute
        """
def keep_layers(model, kept):
    if len(kept) < 1 or kept[0] < 0 or kept[-1] > len(model.transformer.h) - 1:
        raise ValueError("kept")
    for first, second in zip(kept, kept[1:]):
        if first >= second:
            raise ValueError("kept")
    new = copy.deepcopy(model)
    blocks = [block for i, block in enumerate(new.transformer.h) if i in set(kept)]
    for i, block in enumerate(blocks):
        block.attn.layer_idx = i
    new.transformer.h = nn.ModuleList(blocks)
    new.config.num_hidden_layers = len(blocks)
    return new
""",
        # setattr and helper
        """
def in_range(kept, count):
    return bool(kept) and all(0 <= i < count for i in kept) and all(a < b for a, b in zip(kept, kept[1:]))


def keep_layers(model, kept):
    if not in_range(kept, model.config.n_layer):
        raise ValueError(f"no such layers: {kept}")
    student = copy.deepcopy(model)
    chosen = nn.ModuleList()
    for i in kept:
        chosen.append(student.transformer.h[i])
    student.transformer.h = chosen
    student.config.n_layer = len(chosen)
    for place, block in enumerate(chosen):
        setattr(block.attn, "layer_idx", place)
    return student
""",
        # a tensor selects
        """
def keep_layers(model, kept):
    wanted = torch.tensor(kept, dtype=torch.long)
    n = model.config.n_layer
    if len(wanted) == 0 or wanted.min() < 0 or wanted.max() >= n or (wanted.diff() <= 0).any():
        raise ValueError("kept")
    student = copy.deepcopy(model)
    student.transformer.h = nn.ModuleList([student.transformer.h[i] for i in wanted.tolist()])
    student.config.n_layer = wanted.numel()
    for i, layer in enumerate(student.transformer.h):
        layer.attn.layer_idx = i
    return student
""",
        # shift down, then cut off the end
        """
def keep_layers(model, kept):
    kept = tuple(kept)
    if not kept or kept != tuple(sorted(set(kept))) or kept[0] < 0 or kept[-1] >= len(model.transformer.h):
        raise ValueError("kept")
    student = copy.deepcopy(model)
    for place, i in enumerate(kept):
        student.transformer.h[place].load_state_dict(model.transformer.h[i].state_dict())
    student.transformer.h = student.transformer.h[: len(kept)]
    student.config.n_layer = len(kept)
    return student
""",
    ],
    "hidden_state_loss": [
        # one long mean, since all pairs are of one size
        """
def hidden_state_loss(student_states, teacher_states, projections, layer_map, mask):
    for i, j in layer_map.items():
        if i < 0 or j < 0 or i >= len(student_states) or j >= len(teacher_states):
            raise ValueError("layer_map")
    if not layer_map:
        raise ValueError("layer_map is empty")
    total, count = 0.0, 0
    for i, j in layer_map.items():
        error = (projections[i](student_states[i]) - teacher_states[j].detach()) ** 2
        total = total + (error * mask.unsqueeze(-1)).sum()
        count += int(mask.sum()) * error.shape[-1]
    return total / max(count, 1)
""",
        # mse_loss
        """
def hidden_state_loss(student_states, teacher_states, projections, layer_map, mask):
    if len(layer_map) == 0 or not all(i in range(len(student_states)) for i in layer_map):
        raise ValueError("layer_map")
    if not all(j in range(len(teacher_states)) for j in layer_map.values()):
        raise ValueError("layer_map")
    counted = mask == 1
    if not counted.any():
        return sum(projections[i](student_states[i]).sum() for i in layer_map) * 0.0
    losses = [
        F.mse_loss(projections[i](student_states[i])[counted], teacher_states[j][counted].detach())
        for i, j in layer_map.items()
    ]
    return sum(losses) / len(losses)
""",
        # teacher under no_grad
        """
def hidden_state_loss(student_states, teacher_states, projections, layer_map, mask):
    if not layer_map:
        raise ValueError("layer_map")
    if min(layer_map) < 0 or max(layer_map) >= len(student_states):
        raise ValueError("layer_map")
    if min(layer_map.values()) < 0 or max(layer_map.values()) >= len(teacher_states):
        raise ValueError("layer_map")
    keep = mask.bool()
    losses = []
    for ours, theirs in layer_map.items():
        with torch.no_grad():
            target = teacher_states[theirs][keep].clone()
        predicted = projections[ours](student_states[ours][keep])
        losses.append(F.mse_loss(predicted, target, reduction="sum") / max(1, target.numel()))
    return torch.stack(losses).mean()
""",
        # where instead of selection
        """
def hidden_state_loss(student_states, teacher_states, projections, layer_map, mask):
    pairs = list(layer_map.items())
    valid = all(0 <= i < len(student_states) and 0 <= j < len(teacher_states) for i, j in pairs)
    if not pairs or not valid:
        raise ValueError("layer_map")
    n = mask.sum().clamp(min=1)
    loss = 0
    for i, j in pairs:
        difference = projections[i](student_states[i]) - teacher_states[j].detach()
        per_position = difference.pow(2).mean(dim=-1)
        loss = loss + torch.where(mask.bool(), per_position, torch.zeros_like(per_position)).sum() / n
    return loss / len(pairs)
""",
        # stacked errors
        """
def hidden_state_loss(student_states, teacher_states, projections, layer_map, mask):
    if not layer_map:
        raise ValueError("layer_map")
    for i, j in layer_map.items():
        if not 0 <= i < len(student_states):
            raise ValueError("student state")
        if not 0 <= j < len(teacher_states):
            raise ValueError("teacher state")
    errors = torch.stack([
        (projections[i](student_states[i]) - teacher_states[j].detach()).square() for i, j in layer_map.items()
    ])
    weights = mask.to(errors.dtype)[None, :, :, None].expand_as(errors)
    return (errors * weights).sum() / weights.sum().clamp(min=1)
""",
        # nan_to_num for nothing
        """
def hidden_state_loss(student_states, teacher_states, projections, layer_map, mask):
    ours, theirs = range(len(student_states)), range(len(teacher_states))
    if not layer_map or any(i not in ours or j not in theirs for i, j in layer_map.items()):
        raise ValueError("layer_map")
    counted = mask.bool()
    if not counted.any():
        return (student_states[0] * 0).sum()
    errors = [projections[i](student_states[i][counted]) - teacher_states[j][counted].detach()
              for i, j in layer_map.items()]
    return sum((e * e).mean() for e in errors) / len(errors)
""",
        # the matrix by hand
        """
def hidden_state_loss(student_states, teacher_states, projections, layer_map, mask):
    if not layer_map or not set(layer_map) <= set(range(len(student_states))):
        raise ValueError("layer_map")
    if not set(layer_map.values()) <= set(range(len(teacher_states))):
        raise ValueError("layer_map")
    flat = mask.reshape(-1).bool()
    losses = []
    for i, j in layer_map.items():
        x = student_states[i].reshape(-1, student_states[i].shape[-1])[flat]
        y = teacher_states[j].detach().reshape(-1, teacher_states[j].shape[-1])[flat]
        z = x @ projections[i].weight.T
        losses.append((z - y).pow(2).sum() / max(y.numel(), 1))
    return torch.stack(losses).mean()
""",
        # an inner function
        """
def hidden_state_loss(student_states, teacher_states, projections, layer_map, mask):
    def known(i, states):
        return 0 <= i < len(states)

    if not (layer_map and all(known(i, student_states) and known(j, teacher_states) for i, j in layer_map.items())):
        raise ValueError("layer_map names no pair, or a state that is not there")

    def pair(i, j):
        wide = projections[i](student_states[i])
        squared = ((wide - teacher_states[j].detach()) ** 2).mean(-1)
        return (squared * mask).sum() / max(mask.sum().item(), 1)

    return sum(pair(i, j) for i, j in layer_map.items()) / len(layer_map)
""",
    ],
    "width_importance": [
        "def width_importance(activations, mask):\n"
        "    return (activations.abs() * mask.unsqueeze(-1)).sum(dim=(0, 1)) / mask.sum()\n",
        "def width_importance(activations, mask):\n    return torch.abs(activations[mask == 1]).mean(0)\n",
        """
def width_importance(activations, mask):
    flat, counted = activations.flatten(0, 1), mask.flatten().bool()
    return flat[counted].abs().sum(dim=0) / counted.sum()
""",
        """
def width_importance(activations, mask):
    weights = mask.to(activations.dtype)
    return torch.einsum("bsu,bs->u", activations.abs(), weights) / weights.sum()
""",
        """
def width_importance(activations, mask):
    total, count = torch.zeros(activations.shape[-1]), 0
    for row, counted in zip(activations, mask):
        for position, counts in zip(row, counted):
            if counts:
                total += position.abs()
                count += 1
    return total / count
""",
        """
@torch.no_grad()
def width_importance(activations, mask):
    hidden = activations.abs().masked_fill(~mask.bool().unsqueeze(-1), 0.0)
    return hidden.sum(dim=1).sum(dim=0) / mask.sum().item()
""",
        """
def width_importance(activations, mask):
    rows, positions = mask.nonzero(as_tuple=True)
    return activations[rows, positions].abs().mean(dim=0)
""",
        """
def width_importance(activations, mask):
    sized = torch.where(activations < 0, -activations, activations)
    return torch.stack([sized[..., unit][mask != 0].mean() for unit in range(sized.shape[-1])])
""",
    ],
    "prune_width": [
        # plain indexing
        """
def prune_width(linear, kept, dim):
    if dim not in (0, 1) or not kept or any(not 0 <= i < linear.weight.shape[dim] for i in kept):
        raise ValueError("prune_width")
    weight = linear.weight.data[kept] if dim == 0 else linear.weight.data[:, kept]
    new = nn.Linear(weight.shape[1], weight.shape[0], bias=linear.bias is not None, dtype=weight.dtype)
    new.weight.data = weight.clone()
    if linear.bias is not None:
        new.bias.data = linear.bias.data[kept].clone() if dim == 0 else linear.bias.data.clone()
    return new
""",
        # parameters set anew
        """
def prune_width(linear, kept, dim):
    if dim != 0 and dim != 1:
        raise ValueError("dim")
    size = linear.out_features if dim == 0 else linear.in_features
    if len(kept) == 0 or min(kept) < 0 or max(kept) >= size:
        raise ValueError("kept")
    outputs = len(kept) if dim == 0 else linear.out_features
    inputs = len(kept) if dim == 1 else linear.in_features
    new = nn.Linear(inputs, outputs, bias=linear.bias is not None)
    new.weight = nn.Parameter(torch.index_select(linear.weight.detach(), dim, torch.tensor(kept)))
    if linear.bias is not None:
        bias = linear.bias.detach().clone()
        new.bias = nn.Parameter(bias[kept] if dim == 0 else bias)
    return new
""",
        # load_state_dict
        """
def prune_width(linear, kept, dim):
    if dim not in {0, 1}:
        raise ValueError("dim")
    if not kept or not set(kept) <= set(range(linear.weight.shape[dim])):
        raise ValueError("kept")
    state = {name: value.clone() for name, value in linear.state_dict().items()}
    state["weight"] = state["weight"].index_select(dim, torch.tensor(kept))
    if dim == 0 and "bias" in state:
        state["bias"] = state["bias"][torch.tensor(kept)]
    outputs, inputs = state["weight"].shape
    new = nn.Linear(inputs, outputs, bias="bias" in state).to(linear.weight.dtype)
    new.load_state_dict(state)
    return new
""",
        # a copy, cut afterwards
        """
def prune_width(linear, kept, dim):
    if dim not in (0, 1):
        raise ValueError("dim")
    for i in kept:
        if i < 0 or i >= linear.weight.size(dim):
            raise ValueError("kept")
    if not len(kept):
        raise ValueError("kept")
    new = copy.deepcopy(linear)
    new.weight = nn.Parameter(new.weight.detach().index_select(dim, torch.as_tensor(kept)))
    if dim == 0:
        new.out_features = len(kept)
        if new.bias is not None:
            new.bias = nn.Parameter(new.bias.detach()[list(kept)])
    else:
        new.in_features = len(kept)
    return new
""",
        # row by row
        """
def prune_width(linear, kept, dim):
    if dim == 0:
        size = linear.out_features
    elif dim == 1:
        size = linear.in_features
    else:
        raise ValueError("dim")
    if not kept or min(kept) < 0 or max(kept) > size - 1:
        raise ValueError("kept")
    old = linear.weight.detach()
    weight = torch.stack([old.select(dim, i) for i in kept], dim=dim)
    new = nn.Linear(*reversed(weight.shape), bias=linear.bias is not None).to(weight)
    with torch.no_grad():
        new.weight.copy_(weight)
        if linear.bias is not None:
            new.bias.copy_(torch.stack([linear.bias[i] for i in kept]) if dim == 0 else linear.bias)
    return new
""",
        # a matrix that selects
        """
def prune_width(linear, kept, dim):
    if dim not in (0, 1):
        raise ValueError("dim")
    size = linear.weight.shape[dim]
    if not kept or any(i < 0 or i >= size for i in kept):
        raise ValueError("kept")
    choose = torch.eye(size, dtype=linear.weight.dtype)[kept]
    with torch.no_grad():
        weight = choose @ linear.weight if dim == 0 else linear.weight @ choose.T
        new = nn.Linear(weight.shape[1], weight.shape[0], bias=linear.bias is not None, dtype=weight.dtype)
        new.weight.copy_(weight)
        if new.bias is not None:
            new.bias.copy_(choose @ linear.bias if dim == 0 else linear.bias)
    return new
""",
        # skip_init
        """
def prune_width(linear, kept, dim):
    if dim not in (0, 1):
        raise ValueError("dim")
    index = torch.tensor(kept, dtype=torch.long)
    if index.numel() == 0 or index.min() < 0 or index.max() >= linear.weight.shape[dim]:
        raise ValueError("kept")
    weight = torch.index_select(linear.weight.detach(), dim, index)
    bias = linear.bias
    new = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    with torch.no_grad():
        new.weight.copy_(weight)
        if bias is not None:
            new.bias.copy_(bias.index_select(0, index) if dim == 0 else bias)
    return new
""",
        # gather
        """
def prune_width(linear, kept, dim):
    sizes = {0: linear.out_features, 1: linear.in_features}
    if dim not in sizes or not kept or not all(0 <= i < sizes[dim] for i in kept):
        raise ValueError("prune_width")
    sizes[dim] = len(kept)
    new = nn.Linear(sizes[1], sizes[0], linear.bias is not None).to(dtype=linear.weight.dtype)
    for parameter, old in zip(new.parameters(), linear.parameters()):
        along = dim if old.dim() == 2 else 0
        picked = old.detach() if old.dim() == 1 and dim == 1 else old.detach().index_select(along, torch.tensor(kept))
        parameter.data.copy_(picked)
    return new
""",
    ],
}

VARIANTS_WITHOUT_VALIDATION = {
    "layer_influence": """
def layer_influence(hidden_states, mask):
    counted = mask.bool()
    pairs = zip(hidden_states, hidden_states[1:])
    return [1 - F.cosine_similarity(a[counted], b[counted], dim=-1).mean().item() for a, b in pairs]
""",
    "keep_layers": """
def keep_layers(model, kept):
    student = copy.deepcopy(model)
    student.transformer.h = nn.ModuleList([student.transformer.h[i] for i in kept])
    student.config.n_layer = len(kept)
    for number, layer in enumerate(student.transformer.h):
        layer.attn.layer_idx = number
    return student
""",
    "hidden_state_loss": """
def hidden_state_loss(student_states, teacher_states, projections, layer_map, mask):
    counted = mask.bool()
    losses = []
    for ours, theirs in layer_map.items():
        error = projections[ours](student_states[ours][counted]) - teacher_states[theirs][counted].detach()
        losses.append(error.square().sum() / max(error.numel(), 1))
    return sum(losses) / max(len(losses), 1)
""",
    "prune_width": """
def prune_width(linear, kept, dim):
    weight = linear.weight.detach().index_select(dim, torch.tensor(kept, dtype=torch.long))
    new = nn.Linear(weight.shape[1], weight.shape[0], linear.bias is not None).to(weight.dtype)
    with torch.no_grad():
        new.weight.copy_(weight)
        if linear.bias is not None:
            new.bias.copy_(linear.bias[kept] if dim == 0 else linear.bias)
    return new
""",
}
