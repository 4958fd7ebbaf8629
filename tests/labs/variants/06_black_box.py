"""Right answers to lab 06 in many forms, as students write them. Every one of them has to get full marks.

Each is the source of an exercise's cell; it sees the names of the lab's setup cells and of the earlier exercises.
VARIANTS_WITHOUT_VALIDATION are right but for the ValueErrors: they get three quarters.
"""

VARIANTS = {
    "request_key": [
        # the canonical text itself
        """
def request_key(request):
    return json.dumps(request, sort_keys=True)
""",
        """
def request_key(request):
    text = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.md5(text.encode("utf-8")).hexdigest()
""",
        # shortened, but long enough
        """
def request_key(request):
    return hashlib.blake2b(json.dumps(request, sort_keys=True).encode(), digest_size=8).hexdigest()
""",
        # by hand, recursively
        """
def request_key(request):
    def canonical(value):
        if isinstance(value, dict):
            return ["dict", [[name, canonical(value[name])] for name in sorted(value)]]
        if isinstance(value, list):
            return ["list", [canonical(item) for item in value]]
        return value
    return repr(canonical(request))
""",
        """
def request_key(request):
    encoder = json.JSONEncoder(sort_keys=True, indent=1)
    digest = hashlib.sha1()
    for piece in encoder.iterencode(request):
        digest.update(piece.encode())
    return digest.hexdigest()
""",
        # a readable key
        """
def request_key(request):
    text = json.dumps(request, sort_keys=True)
    return f"{request.get('model', '')}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
""",
        """
def request_key(request: dict) -> str:
    import base64
    raw = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(raw).decode()
""",
        """
def request_key(request):
    def flatten(value, path=""):
        if isinstance(value, dict):
            for name, item in value.items():
                yield from flatten(item, path + "/" + json.dumps(name))
            yield path + "{}"
        elif isinstance(value, list):
            for place, item in enumerate(value):
                yield from flatten(item, path + "/" + str(place))
            yield path + "[]" + str(len(value))
        else:
            yield path + "=" + json.dumps(value)
    return hashlib.sha256("\\n".join(sorted(flatten(request))).encode()).hexdigest()
""",
    ],
    "ask": [
        # counting down
        """
async def ask(send, request, attempts, sleep):
    wait = 1
    while True:
        attempts -= 1
        try:
            return await send(request)
        except TimeoutError:
            if attempts == 0:
                raise
            pause = wait
        except ApiError as error:
            if attempts == 0 or not (error.status == 429 or error.status // 100 == 5):
                raise
            pause = wait if error.retry_after is None else error.retry_after
        await sleep(pause)
        wait *= 2
""",
        # the error kept in a variable
        """
async def ask(send, request, attempts, sleep):
    last = None
    for attempt in range(1, attempts + 1):
        try:
            return await send(request)
        except ApiError as error:
            last = error
            if error.status != 429 and not 500 <= error.status <= 599:
                raise error
        except TimeoutError as error:
            last = error
        if attempt < attempts:
            seconds = getattr(last, "retry_after", None)
            if seconds is None:
                seconds = 2 ** (attempt - 1)
            await sleep(seconds)
    raise last
""",
        # recursive
        """
async def ask(send, request, attempts, sleep, failed=0):
    try:
        return await send(request)
    except (TimeoutError, ApiError) as error:
        passing = isinstance(error, TimeoutError) or error.status == 429 or error.status in range(500, 600)
        if not passing or failed + 1 >= attempts:
            raise
        pause = error.retry_after if isinstance(error, ApiError) and error.retry_after is not None else 2.0 ** failed
    await sleep(pause)
    return await ask(send, request, attempts, sleep, failed + 1)
""",
        # a list of waits
        """
async def ask(send, request, attempts, sleep):
    waits = [2 ** n for n in range(attempts - 1)]
    for wait in waits:
        try:
            return await send(request)
        except ApiError as error:
            if error.status < 500 and error.status != 429:
                raise
            wait = wait if error.retry_after is None else error.retry_after
        except asyncio.TimeoutError:
            pass
        await sleep(wait)
    return await send(request)
""",
        # match
        """
async def ask(send, request, attempts, sleep):
    for n in range(attempts):
        try:
            reply = await send(request)
        except Exception as error:
            match error:
                case TimeoutError():
                    told = None
                case ApiError(status=status) if status == 429 or status // 100 == 5:
                    told = error.retry_after
                case _:
                    raise
            if n + 1 == attempts:
                raise
            await sleep(told if told is not None else 1 << n)
        else:
            return reply
""",
        # a task of its own for each attempt
        """
async def ask(send, request, attempts, sleep):
    for n in range(attempts):
        task = asyncio.create_task(send(request))
        await asyncio.wait([task])
        error = task.exception()
        if error is None:
            return task.result()
        retry = isinstance(error, TimeoutError) or (
            isinstance(error, ApiError) and (error.status == 429 or 500 <= error.status < 600)
        )
        if not retry or n == attempts - 1:
            raise error
        told = getattr(error, "retry_after", None)
        await sleep(told if told is not None else math.pow(2, n))
""",
        # helpers inside
        """
async def ask(send, request, attempts, sleep):
    def passes(error):
        return not hasattr(error, "status") or error.status == 429 or str(error.status)[0] == "5"

    failures = 0
    while failures < attempts:
        try:
            return await send(request)
        except (ApiError, TimeoutError) as problem:
            failures += 1
            if failures == attempts or not passes(problem):
                raise problem
            told = vars(problem).get("retry_after")
        await sleep({True: 2 ** (failures - 1), False: told}[told is None])
""",
        # not async def itself, but what it returns can be awaited
        """
def ask(send, request, attempts, sleep):
    async def run():
        for n in range(attempts):
            try:
                return await send(request)
            except ApiError as error:
                if n == attempts - 1 or error.status not in [429, *range(500, 600)]:
                    raise
                seconds = 2**n if error.retry_after is None else error.retry_after
            except TimeoutError:
                if n == attempts - 1:
                    raise
                seconds = 2**n
            await sleep(seconds)
    return run()
""",
    ],
    "ask_all": [
        # caught in each coroutine
        """
async def ask_all(send, requests, limit):
    semaphore = asyncio.Semaphore(limit)

    async def one(request):
        async with semaphore:
            try:
                return await send(request)
            except (ApiError, TimeoutError) as error:
                return error

    return list(await asyncio.gather(*[one(request) for request in requests]))
""",
        # workers with an iterator
        """
async def ask_all(send, requests, limit):
    replies = [None] * len(requests)
    waiting = iter(enumerate(requests))

    async def worker():
        for place, request in waiting:
            try:
                replies[place] = await send(request)
            except (ApiError, TimeoutError) as error:
                replies[place] = error

    await asyncio.gather(*(worker() for _ in range(limit)))
    return replies
""",
        # a queue
        """
async def ask_all(send, requests, limit):
    queue, replies = asyncio.Queue(), {}
    for item in enumerate(requests):
        queue.put_nowait(item)

    async def worker():
        while not queue.empty():
            place, request = queue.get_nowait()
            try:
                replies[place] = await send(request)
            except (ApiError, TimeoutError) as error:
                replies[place] = error

    await asyncio.gather(*[worker() for _ in range(min(limit, len(requests)))])
    return [replies[place] for place in range(len(requests))]
""",
        # asyncio.wait, refilled
        """
async def ask_all(send, requests, limit):
    tasks, running = [], set()
    for request in requests:
        if len(running) >= limit:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.ensure_future(send(request))
        tasks.append(task)
        running.add(task)
    if running:
        await asyncio.wait(running)
    return [task.exception() or task.result() for task in tasks]
""",
        # a task group
        """
async def ask_all(send, requests, limit):
    free = asyncio.BoundedSemaphore(limit)

    async def one(request):
        async with free:
            try:
                return await send(request)
            except (ApiError, TimeoutError) as error:
                return error

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(request)) for request in requests]
    return [task.result() for task in tasks]
""",
        # acquire and release
        """
async def ask_all(send, requests, limit):
    free = asyncio.Semaphore(limit)

    async def one(place, request):
        await free.acquire()
        try:
            return place, await send(request)
        except (ApiError, TimeoutError) as error:
            return place, error
        finally:
            free.release()

    replies = [None] * len(requests)
    for finished in asyncio.as_completed([asyncio.create_task(one(*item)) for item in enumerate(requests)]):
        place, reply = await finished
        replies[place] = reply
    return replies
""",
        # a condition and a counter
        """
async def ask_all(send, requests, limit):
    condition, in_flight = asyncio.Condition(), 0

    async def one(request):
        nonlocal in_flight
        async with condition:
            await condition.wait_for(lambda: in_flight < limit)
            in_flight += 1
        try:
            return await send(request)
        finally:
            async with condition:
                in_flight -= 1
                condition.notify(1)

    return await asyncio.gather(*map(one, requests), return_exceptions=True)
""",
        # a tuple
        """
async def ask_all(send, requests, limit):
    free = asyncio.Semaphore(limit)

    async def one(request):
        async with free:
            return await send(request)

    tasks = [asyncio.create_task(one(request)) for request in requests]
    done = await asyncio.gather(*tasks, return_exceptions=True)
    return tuple(done)
""",
    ],
    "keep_reply": [
        """
def keep_reply(reply):
    text = reply["text"]
    if text is None or text.strip() == "":
        return False
    if reply["finish_reason"] != "stop":
        return False
    if reply["refusal"] not in (None, ""):
        return False
    start = text.strip().lower().replace("\u2019", "'")
    for phrase in REFUSALS:
        if start.startswith(phrase):
            return False
    return True
""",
        """
def keep_reply(reply):
    text = (reply["text"] or "").strip().casefold().replace("’", "'")
    return bool(
        reply["finish_reason"] == "stop" and text and not reply["refusal"] and not text.startswith(REFUSALS)
    )
""",
        """
def keep_reply(reply):
    text = str(reply.get("text") or "").strip()
    plain = text.translate({0x2019: "'"}).lower()
    reasons = [
        reply.get("finish_reason") != "stop",
        not text,
        bool(reply.get("refusal")),
        any(plain.startswith(phrase) for phrase in REFUSALS),
    ]
    return not any(reasons)
""",
        """
def keep_reply(reply):
    import re
    pattern = re.compile(r"\\s*(" + "|".join(re.escape(p) for p in REFUSALS) + ")", re.IGNORECASE)
    text = (reply["text"] or "").replace("’", "'")
    ended = reply["finish_reason"] == "stop"
    return ended and not reply["refusal"] and re.search(r"\\S", text) is not None and pattern.match(text) is None
""",
        """
def keep_reply(reply):
    if reply["refusal"]:
        return False
    if not reply["text"] or reply["text"].isspace():
        return False
    text = reply["text"].lstrip().replace("’", "'").lower()
    return reply["finish_reason"] == "stop" and not any(text[: len(phrase)] == phrase for phrase in REFUSALS)
""",
        """
def keep_reply(reply):
    match reply:
        case {"finish_reason": "stop", "refusal": None | "", "text": str(text)} if text.strip():
            return not "'".join(text.split("’")).strip().lower().startswith(REFUSALS)
    return False
""",
        """
def keep_reply(reply):
    words = (reply["text"] or "").split()
    text = (reply["text"] or "").strip().replace("’", "'").lower()
    refused = bool(reply["refusal"]) or text.startswith(tuple(REFUSALS))
    return len(words) > 0 and reply["finish_reason"] == "stop" and not refused
""",
        """
def keep_reply(reply):
    try:
        text = reply["text"].strip()
    except AttributeError:
        return False
    if not text or reply["refusal"] or reply["finish_reason"] != "stop":
        return False
    lowered = "".join("'" if letter == "’" else letter.lower() for letter in text)
    return sum(lowered.startswith(phrase) for phrase in REFUSALS) == 0
""",
    ],
    "cost": [
        """
def cost(usages, price_in, price_out):
    total = 0.0
    for usage in usages:
        total += usage["prompt_tokens"] * price_in / 1_000_000
        total += usage["completion_tokens"] * price_out / 1_000_000
    return total
""",
        """
def cost(usages, price_in, price_out):
    read = written = 0
    for usage in usages:
        read += usage["prompt_tokens"]
        written += usage["completion_tokens"]
    return read / 1e6 * price_in + written / 1e6 * price_out
""",
        """
def cost(usages, price_in, price_out):
    prices = {"prompt_tokens": price_in, "completion_tokens": price_out}
    return sum(usage[name] * price for usage in usages for name, price in prices.items()) * 1e-6
""",
        """
def cost(usages, price_in, price_out):
    return math.fsum((u["prompt_tokens"] * price_in + u["completion_tokens"] * price_out) / 10**6 for u in usages)
""",
        # from the total
        """
def cost(usages, price_in, price_out):
    written = sum(u["completion_tokens"] for u in usages)
    everything = sum(u["total_tokens"] for u in usages)
    return ((everything - written) * price_in + written * price_out) / 1e6
""",
        """
def cost(usages, price_in, price_out):
    if not usages:
        return 0
    counts = torch.tensor([[u["prompt_tokens"], u["completion_tokens"]] for u in usages], dtype=torch.float64)
    return (counts.sum(dim=0) @ torch.tensor([price_in, price_out], dtype=torch.float64) / 1e6).item()
""",
        """
def cost(usages, price_in, price_out):
    def one(usage):
        return usage["prompt_tokens"] * (price_in / 1e6) + usage["completion_tokens"] * (price_out / 1e6)
    return sum(map(one, usages))
""",
        """
def cost(usages, price_in, price_out, million=1_000_000):
    tokens = [(usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)) for usage in usages]
    return sum(a * price_in + b * price_out for a, b in tokens) / million
""",
    ],
    "top_k_loss": [
        # the bucket as one more column
        """
def top_k_loss(values, ids, student_logits, mask, tail=True):
    if values.shape != ids.shape or values.shape[:2] != mask.shape or student_logits.shape[:2] != mask.shape:
        raise ValueError("shapes")
    p = values.exp()
    log_q = student_logits.log_softmax(-1)
    listed = log_q.gather(-1, ids)
    if not tail:
        each = -(p / p.sum(-1, keepdim=True) * listed).sum(-1)
    else:
        left = (1 - p.sum(-1, keepdim=True)).clamp_min(0)
        unlisted = torch.ones_like(log_q, dtype=torch.bool).scatter(-1, ids, False)
        floor = torch.finfo(log_q.dtype).min
        others = torch.where(unlisted, log_q, torch.full_like(log_q, floor)).logsumexp(-1, keepdim=True)
        others = torch.where(unlisted.any(-1, keepdim=True), others, torch.zeros_like(others))
        each = -(torch.cat([p, left], -1) * torch.cat([listed, others], -1)).sum(-1)
    counted = mask.to(each.dtype)
    return (each * counted).sum() / counted.sum().clamp(min=1)
""",
        # only the positions that count
        """
def top_k_loss(values, ids, student_logits, mask, tail=True):
    if not (values.shape == ids.shape and values.shape[:-1] == mask.shape == student_logits.shape[:-1]):
        raise ValueError("shapes")
    keep = mask.bool()
    if not keep.any():
        return student_logits.sum() * 0
    values, ids, logits = values[keep], ids[keep], student_logits[keep]
    p = values.exp()
    log_q = F.log_softmax(logits, dim=-1)
    if not tail:
        p = p / p.sum(-1, keepdim=True)
        return -(p * log_q.gather(-1, ids)).sum(-1).mean()
    loss = -(p * log_q.gather(-1, ids)).sum(-1)
    if ids.shape[-1] < logits.shape[-1]:
        rest = (1 - p.sum(-1)).clamp(min=0)
        loss = loss - rest * log_q.scatter(-1, ids, float("-inf")).logsumexp(-1)
    return loss.mean()
""",
        # a loop over the positions
        """
def top_k_loss(values, ids, student_logits, mask, tail=True):
    if values.shape != ids.shape or values.shape[:-1] != mask.shape or student_logits.shape[:-1] != mask.shape:
        raise ValueError("shapes")
    total, count = student_logits.sum() * 0, 0
    for row, column in mask.bool().nonzero().tolist():
        log_q = F.log_softmax(student_logits[row, column], dim=0)
        p, listed = values[row, column].exp(), ids[row, column]
        count += 1
        if not tail:
            total = total - (p / p.sum() * log_q[listed]).sum()
            continue
        total = total - (p * log_q[listed]).sum()
        others = [token for token in range(len(log_q)) if token not in listed.tolist()]
        if others:
            total = total - max(0.0, 1 - p.sum().item()) * torch.logsumexp(log_q[others], 0)
    return total / max(count, 1)
""",
        # sorted into the vocabulary
        """
def top_k_loss(values, ids, student_logits, mask, tail=True):
    if values.shape != ids.shape or values.shape[:-1] != mask.shape or mask.shape != student_logits.shape[:-1]:
        raise ValueError("shapes")
    p = values.exp()
    left = torch.clamp(1 - p.sum(-1), min=0)
    if not tail:
        p = p / p.sum(-1, keepdim=True)
    log_q = torch.log_softmax(student_logits, -1)
    full = torch.zeros_like(log_q).scatter_add(-1, ids, p.to(log_q.dtype))
    each = -(full * log_q).sum(-1)
    if tail and ids.shape[-1] != log_q.shape[-1]:
        listed = torch.zeros_like(log_q, dtype=torch.bool).scatter(-1, ids, torch.ones_like(ids, dtype=torch.bool))
        each = each - left * log_q.masked_fill(listed, -math.inf).logsumexp(-1)
    chosen = torch.where(mask != 0, each, torch.zeros_like(each))
    return chosen.sum() / torch.clamp(mask.sum(), min=1)
""",
        # logits and the log of their sum
        """
def top_k_loss(values, ids, student_logits, mask, tail=True):
    if values.size() != ids.size() or values.size()[:-1] != mask.size() or student_logits.size()[:-1] != mask.size():
        raise ValueError("shapes")
    z = student_logits
    log_z = z.logsumexp(-1, keepdim=True)
    p = values.exp() if tail else F.softmax(values, dim=-1)
    each = (p * (log_z - z.gather(-1, ids))).sum(-1)
    if tail and z.shape[-1] > ids.shape[-1]:
        rest = F.relu(1 - p.sum(-1))
        each = each + rest * (log_z[..., 0] - z.scatter(-1, ids, -math.inf).logsumexp(-1))
    mask = mask.bool()
    return each[mask].sum() / max(1, int(mask.sum()))
""",
        # float64 inside
        """
def top_k_loss(values, ids, student_logits, mask, tail=True):
    shape = student_logits.shape[:-1]
    if any(other != shape for other in (values.shape[:-1], ids.shape[:-1], mask.shape)) or values.shape != ids.shape:
        raise ValueError("shapes")
    log_q = student_logits.double().log_softmax(-1)
    p = values.double().exp()
    picked = log_q.gather(-1, ids)
    if tail:
        unlisted = torch.ones(log_q.shape, dtype=torch.bool).scatter_(-1, ids, False)
        remaining = (log_q.exp() * unlisted).sum(-1)
        safe = torch.where(remaining > 0, remaining, torch.ones_like(remaining))
        each = -(p * picked).sum(-1) - (1 - p.sum(-1)).clamp(min=0) * safe.log()
    else:
        each = -(p * picked).sum(-1) / p.sum(-1)
    each = torch.where(mask.bool(), each, torch.zeros_like(each))
    return each.sum() / mask.sum().clamp(min=1)
""",
        # flattened
        """
def top_k_loss(values, ids, student_logits, mask, tail=True):
    if values.shape != ids.shape or not values.shape[:-1] == mask.shape == student_logits.shape[:-1]:
        raise ValueError("shapes")
    k, V = ids.shape[-1], student_logits.shape[-1]
    flat_ids, flat_p = ids.reshape(-1, k), values.reshape(-1, k).exp()
    log_q = F.log_softmax(student_logits.reshape(-1, V), dim=-1)
    listed = torch.take_along_dim(log_q, flat_ids, dim=-1)
    if tail:
        rest = 1 - flat_p.sum(1)
        rest = torch.where(rest > 0, rest, torch.zeros_like(rest))
        others = torch.logsumexp(log_q.scatter(1, flat_ids, -math.inf), 1).nan_to_num(neginf=0.0) if k < V else 0.0
        each = -(flat_p * listed).sum(1) - rest * others
    else:
        each = -((flat_p / flat_p.sum(1, keepdim=True)) * listed).sum(1)
    weights = mask.reshape(-1).to(each.dtype)
    return torch.dot(each, weights) / weights.sum().clamp(min=1.0)
""",
        # cross_entropy with probabilities, for the listed part
        """
def top_k_loss(values, ids, student_logits, mask, tail=True):
    if values.shape != ids.shape or values.shape[:-1] != mask.shape or student_logits.shape[:-1] != mask.shape:
        raise ValueError("shapes")
    p = values.exp()
    if not tail:
        p = p / p.sum(-1, keepdim=True)
    target = torch.zeros_like(student_logits).scatter(-1, ids, p.to(student_logits.dtype))
    each = F.cross_entropy(student_logits.flatten(0, 1), target.flatten(0, 1), reduction="none").view(mask.shape)
    if tail and ids.shape[-1] < student_logits.shape[-1]:
        others = student_logits.scatter(-1, ids, -math.inf).logsumexp(-1) - student_logits.logsumexp(-1)
        each = each - (1 - p.sum(-1)).clamp(min=0) * others
    return each.masked_fill(~mask.bool(), 0.0).sum() / mask.sum().clamp(min=1)
""",
    ],
    "LoRALinear": [
        # two linear layers without bias
        """
class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.base = linear
        for weight in self.base.parameters():
            weight.requires_grad = False
        settings = {"bias": False, "dtype": linear.weight.dtype}
        self.down = nn.Linear(linear.in_features, rank, **settings)
        self.up = nn.Linear(rank, linear.out_features, **settings)
        nn.init.zeros_(self.up.weight)
        self.factor = alpha / rank

    def forward(self, x):
        return self.base(x) + self.factor * self.up(self.down(x))

    def merge(self):
        import copy
        merged = copy.deepcopy(self.base)
        merged.weight.data += self.factor * (self.up.weight @ self.down.weight).data
        return merged
""",
        # F.linear
        """
class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        linear.weight.requires_grad_(False)
        if linear.bias is not None:
            linear.bias.requires_grad_(False)
        self.linear, self.rank, self.alpha = linear, rank, alpha
        out_features, in_features = linear.weight.shape
        self.lora_A = nn.Parameter(torch.randn(rank, in_features).to(linear.weight) * 0.02)
        self.lora_B = nn.Parameter(torch.zeros(out_features, rank).to(linear.weight))

    def forward(self, x):
        change = F.linear(F.linear(x, self.lora_A), self.lora_B)
        return F.linear(x, self.linear.weight, self.linear.bias) + self.alpha / self.rank * change

    @torch.no_grad()
    def merge(self):
        weight = self.linear.weight + self.alpha / self.rank * self.lora_B @ self.lora_A
        merged = nn.Linear(weight.shape[1], weight.shape[0], bias=self.linear.bias is not None).to(weight)
        merged.weight.copy_(weight)
        if merged.bias is not None:
            merged.bias.copy_(self.linear.bias)
        return merged
""",
        # the merged weight in every forward pass
        """
class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear
        self.linear.requires_grad_(False)
        self.A = nn.Parameter(torch.empty(rank, linear.in_features, dtype=linear.weight.dtype).uniform_(-1, 1))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank, dtype=linear.weight.dtype))
        self.register_buffer("scale", torch.tensor(alpha / rank, dtype=linear.weight.dtype))

    def weight(self):
        return self.linear.weight + self.scale * (self.B @ self.A)

    def forward(self, x):
        return F.linear(x, self.weight(), self.linear.bias)

    def merge(self):
        merged = nn.Linear(self.linear.in_features, self.linear.out_features, self.linear.bias is not None)
        merged.weight = nn.Parameter(self.weight().detach().clone())
        if self.linear.bias is not None:
            merged.bias = nn.Parameter(self.linear.bias.detach().clone())
        return merged
""",
        # einsum
        """
class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.A = nn.Parameter(torch.rand(rank, 1).to(linear.weight) * torch.randn_like(linear.weight[:1]))
        self.B = nn.Parameter(torch.zeros_like(linear.weight[:, :1]).repeat(1, rank))
        self.alpha, self.rank = alpha, rank

    def forward(self, x):
        return self.linear(x) + torch.einsum("...i,ri,or->...o", x, self.A, self.B) * self.alpha / self.rank

    def merge(self):
        import copy
        with torch.no_grad():
            merged = copy.deepcopy(self.linear)
            merged.weight.add_(torch.einsum("or,ri->oi", self.B, self.A), alpha=self.alpha / self.rank)
            return merged
""",
        # scaled input
        """
class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        nn.Module.__init__(self)
        self.frozen = linear
        self.frozen.weight.requires_grad = False
        if self.frozen.bias is not None:
            self.frozen.bias.requires_grad = False
        self.B = nn.Parameter(linear.weight.new_zeros(linear.out_features, rank))
        self.A = nn.Parameter(nn.init.normal_(linear.weight.new_empty(rank, linear.in_features)))
        self.ratio = float(alpha) / float(rank)

    def forward(self, x):
        return self.frozen(x) + (self.ratio * x) @ (self.B @ self.A).T

    def merge(self):
        out, inner = self.frozen.weight.shape
        merged = nn.Linear(inner, out, bias=self.frozen.bias is not None, dtype=self.frozen.weight.dtype)
        state = {"weight": self.frozen.weight + self.ratio * self.B @ self.A}
        if self.frozen.bias is not None:
            state["bias"] = self.frozen.bias
        merged.load_state_dict(state)
        return merged
""",
        # ParameterDict
        """
class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        kind = {"dtype": linear.weight.dtype, "device": linear.weight.device}
        self.adapter = nn.ParameterDict({
            "A": torch.randn(rank, linear.in_features, **kind) / math.sqrt(linear.in_features),
            "B": torch.zeros(linear.out_features, rank, **kind),
        })
        self.scaling = alpha / rank

    def delta(self):
        return self.scaling * (self.adapter["B"] @ self.adapter["A"])

    def forward(self, x):
        return torch.add(self.linear(x), x.matmul(self.delta().t()))

    def merge(self):
        linear = self.linear
        merged = nn.Linear(linear.in_features, linear.out_features, bias=linear.bias is not None)
        merged = merged.to(linear.weight.dtype)
        with torch.no_grad():
            merged.weight.copy_(linear.weight + self.delta())
            if linear.bias is not None:
                merged.bias.copy_(linear.bias)
        return merged
""",
        # with a scale on A
        """
class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear
        [weight.requires_grad_(False) for weight in linear.parameters()]
        self.A = nn.Parameter(torch.ones(rank, linear.in_features, dtype=linear.weight.dtype))
        nn.init.xavier_normal_(self.A)
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank, dtype=linear.weight.dtype))
        self.alpha = alpha

    @property
    def scale(self):
        return self.alpha / self.A.shape[0]

    def forward(self, x):
        return self.linear(x) + x @ (self.scale * self.A).mT @ self.B.mT

    def merge(self):
        from copy import deepcopy
        merged = deepcopy(self.linear)
        merged.weight.data.addmm_(self.B.data, self.A.data, alpha=self.scale)
        return merged
""",
        # the merged layer can be trained again
        """
class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear, self.scale = linear.requires_grad_(False), alpha / rank
        self.first = nn.Linear(linear.in_features, rank, bias=False).to(linear.weight.dtype)
        self.second = nn.Linear(rank, linear.out_features, bias=False).to(linear.weight.dtype)
        with torch.no_grad():
            self.second.weight.zero_()

    def forward(self, x):
        out = self.linear(x)
        out = out + self.second(self.first(x)) * self.scale
        return out

    def merge(self):
        merged = nn.Linear(self.linear.in_features, self.linear.out_features, self.linear.bias is not None)
        merged.to(self.linear.weight.dtype).load_state_dict(self.linear.state_dict())
        with torch.no_grad():
            merged.weight += self.second.weight @ self.first.weight * self.scale
        return merged.requires_grad_(True)
""",
    ],
}

VARIANTS_WITHOUT_VALIDATION = {
    "top_k_loss": """
def top_k_loss(values, ids, student_logits, mask, tail=True):
    p, log_q = values.exp(), F.log_softmax(student_logits, dim=-1)
    rest = (1 - p.sum(-1)).clamp(min=0) * tail
    if not tail:
        p = p / p.sum(-1, keepdim=True)
    count = min(p.shape[-1], ids.shape[-1])
    each = -(p[..., :count] * log_q.gather(-1, ids)[..., :count]).sum(-1)
    if ids.shape[-1] < log_q.shape[-1]:
        each = each - rest * log_q.scatter(-1, ids, -math.inf).logsumexp(-1)
    return (each * mask).sum() / mask.sum().clamp(min=1)
""",
}
