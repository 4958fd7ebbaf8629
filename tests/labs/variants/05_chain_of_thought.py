"""Right answers to lab 05 in many forms, as students write them. Every one of them has to get full marks.

Each is the source of an exercise's cell; it sees the names of the lab's setup cells and of the earlier exercises.
"""

VARIANTS_WITHOUT_VALIDATION = {
    "train_arm": """
def train_arm(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        part = [examples[i % max(1, len(examples))] for i in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids for ids, _ in part], batch_first=True)
        labels = pad_sequence([labels for _, labels in part], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses
""",
}

VARIANTS = {
    "extract_answer": [
        # all marks with findall, the last one; a mark without a number is seen by its place
        r"""
def extract_answer(trace):
    last = trace.rfind("####")
    if last == -1:
        return None
    found = re.search(r"-?[\d,]*\d", trace[last:])
    return int(found.group().replace(",", "")) if found else None
""",
        # split and try
        """
def extract_answer(trace):
    if "####" not in trace:
        return None
    text = trace.split("####")[-1].strip().replace(",", "")
    try:
        return int(text.split()[0])
    except (IndexError, ValueError):
        return None
""",
        # the lines from the end
        """
def extract_answer(trace):
    for line in reversed(trace.splitlines()):
        if line.startswith("####"):
            text = line[4:].strip().replace(",", "")
            return int(text) if text else None
    return None
""",
        # rpartition
        """
def extract_answer(trace):
    before, mark, after = trace.rpartition("####")
    after = after.strip().replace(",", "")
    if not mark or not after.lstrip("-").isdigit():
        return None
    return int(after)
""",
        # a greedy pattern over the whole text
        r"""
def extract_answer(trace):
    match = re.match(r".*####(?!.*####)\s*(-?[0-9,]+)", trace, flags=re.DOTALL)
    if match is None:
        return None
    return int(match.group(1).replace(",", ""))
""",
        # finditer, the last match
        r"""
def extract_answer(trace):
    answer = None
    for match in re.finditer(r"####[ ]*(-?\d{1,3}(?:,\d{3})+|-?\d+)?", trace):
        answer = match.group(1)
    return None if answer is None else int(answer.replace(",", ""))
""",
        # sign and digits apart
        r"""
def extract_answer(trace):
    pieces = trace.split("####")
    if len(pieces) < 2:
        return None
    digits = re.sub(r"\D", "", pieces[-1].split("\n")[0])
    if digits == "":
        return None
    return -int(digits) if "-" in pieces[-1] else int(digits)
""",
        # a compiled pattern with named groups
        r"""
def extract_answer(trace):
    pattern = re.compile(r"####\s*(?P<number>-?\d[\d,]*)?")
    matches = list(pattern.finditer(trace))
    if not matches or matches[-1]["number"] is None:
        return None
    return int("".join(matches[-1]["number"].split(",")))
""",
        # by hand, character by character
        """
def extract_answer(trace):
    place = trace.rfind("####")
    if place < 0:
        return None
    number = ""
    for character in trace[place + 4:].strip():
        if character.isdigit() or (character == "-" and not number):
            number += character
        elif character != ",":
            break
    return int(number) if number else None
""",
    ],
    "verify_steps": [
        # a loop with early exits
        r"""
def verify_steps(trace):
    found = re.findall(r"(-?\d+) ([+\-*/]) (-?\d+) = (-?\d+)", trace)
    if len(found) == 0:
        return False
    for a, op, b, c in found:
        a, b, c = int(a), int(b), int(c)
        if op == "+" and a + b != c:
            return False
        if op == "-" and a - b != c:
            return False
        if op == "*" and a * b != c:
            return False
        if op == "/" and (b == 0 or a / b != c):
            return False
    return True
""",
        # functions from operator, a division as a product
        r"""
def verify_steps(trace):
    import operator

    signs = {"+": operator.add, "-": operator.sub, "*": operator.mul}
    found = re.findall(r"(-?\d+)\s*([-+*/])\s*(-?\d+)\s*=\s*(-?\d+)", trace)
    def true(a, op, b, c):
        return (b != 0 and b * c == a) if op == "/" else signs[op](a, b) == c
    return bool(found) and all(true(int(a), op, int(b), int(c)) for a, op, b, c in found)
""",
        # divmod
        r"""
def verify_steps(trace):
    steps = 0
    for match in re.finditer(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace):
        a, op, b, c = int(match[1]), match[2], int(match[3]), int(match[4])
        if op == "/":
            right = b != 0 and divmod(a, b) == (c, 0)
        else:
            right = {"+": a + b, "-": a - b, "*": a * b}[op] == c
        if not right:
            return False
        steps += 1
    return steps > 0
""",
        # match statement
        r"""
def verify_steps(trace):
    equations = re.findall(r"(-?[\d,]+) ([-+*/]) (-?[\d,]+) = (-?[\d,]+)", trace)
    results = []
    for left, sign, right, result in equations:
        left, right, result = (int(number.replace(",", "")) for number in (left, right, result))
        match sign:
            case "+":
                results.append(left + right == result)
            case "-":
                results.append(left - right == result)
            case "*":
                results.append(left * right == result)
            case "/":
                results.append(right != 0 and left == right * result)
    return len(results) > 0 and False not in results
""",
        # fractions are exact
        r"""
def verify_steps(trace):
    from fractions import Fraction

    found = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    try:
        values = [
            {"+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y, "/": lambda x, y: x / y}[op](
                Fraction(a), Fraction(b)
            ) == int(c)
            for a, op, b, c in found
        ]
    except ZeroDivisionError:
        return False
    return bool(values) and all(values)
""",
        # words of each line, no regular expression
        """
def verify_steps(trace):
    steps = 0
    for line in trace.split("\\n"):
        words = line.rstrip(".").split()
        if "=" not in words:
            continue
        place = words.index("=")
        a, op, b, c = words[place - 3], words[place - 2], words[place - 1], words[place + 1].rstrip(".,")
        a, b, c = int(a), int(b), int(c)
        steps += 1
        if op == "/":
            if b == 0 or a % b != 0 or a // b != c:
                return False
        elif {"+": a + b, "-": a - b, "*": a * b}[op] != c:
            return False
    return steps > 0
""",
        # eval of a text that the pattern allowed
        r"""
def verify_steps(trace):
    found = re.findall(r"(-?\d+ [-+*/] -?\d+) = (-?\d+)", trace)
    if not found:
        return False
    for left, right in found:
        try:
            if eval(left) != int(right):
                return False
        except ZeroDivisionError:
            return False
    return True
""",
        # counting the true ones
        r"""
def verify_steps(trace):
    pattern = re.compile(r"(?P<a>-?\d+) (?P<op>[*/+-]) (?P<b>-?\d+) = (?P<c>-?\d+)")
    matches = list(pattern.finditer(trace))
    good = 0
    for m in matches:
        a, b, c = int(m["a"]), int(m["b"]), int(m["c"])
        if m["op"] == "+":
            good += c - b == a
        elif m["op"] == "-":
            good += c + b == a
        elif m["op"] == "*":
            good += a * b == c
        elif b != 0:
            good += a == b * c
    return len(matches) >= 1 and good == len(matches)
""",
        # in torch, float64
        r"""
def verify_steps(trace):
    found = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    if not found:
        return False
    a, b, c = (torch.tensor([float(item[place]) for item in found], dtype=torch.float64) for place in (0, 2, 3))
    results = torch.stack([a + b, a - b, a * b, a / b])
    rows = torch.tensor(["+-*/".index(item[1]) for item in found])
    return bool((results[rows, torch.arange(len(found))] == c).all())
""",
    ],
    "keep_trace": [
        # one condition after the other
        r"""
def keep_trace(problem, trace):
    if extract_answer(trace) != problem["answer"]:
        return False
    if not verify_steps(trace):
        return False
    equations = re.findall(r"-?\d+ [-+*/] -?\d+ = -?\d+", trace)
    if len(equations) > 8:
        return False
    return len(equations) == len(set(equations))
""",
        # a list of reasons against
        r"""
def keep_trace(problem, trace):
    steps = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    against = [
        extract_answer(trace) != problem["answer"],
        not verify_steps(trace),
        len(steps) > 8,
        any(steps.count(step) > 1 for step in steps),
    ]
    return not any(against)
""",
        # seen so far
        r"""
def keep_trace(problem, trace):
    seen = set()
    for equation in re.findall(r"-?\d+ [+*/-] -?\d+ = -?\d+", trace):
        if equation in seen:
            return False
        seen.add(equation)
    return len(seen) <= 8 and verify_steps(trace) and extract_answer(trace) == problem["answer"]
""",
        # Counter
        r"""
def keep_trace(problem, trace):
    from collections import Counter

    counts = Counter(re.findall(r"-?\d+ [-+*/] -?\d+ = -?\d+", trace))
    if not counts or max(counts.values()) > 1 or sum(counts.values()) > 8:
        return False
    return verify_steps(trace) and problem["answer"] == extract_answer(trace)
""",
        # lines with an equals sign
        """
def keep_trace(problem, trace):
    steps = []
    for line in trace.splitlines():
        if " = " in line:
            left, right = line.split(" = ", 1)
            steps.append((tuple(left.split()[-3:]), right.split()[0].rstrip(".,")))
    short = len(steps) < 9
    fresh = len(set(steps)) == len(steps)
    return bool(short and fresh and verify_steps(trace) and extract_answer(trace) == problem["answer"])
""",
        # sorted neighbours
        r"""
def keep_trace(problem, trace):
    equations = sorted(match.group() for match in re.finditer(r"-?\d+ [-+*/] -?\d+ = -?\d+", trace))
    repeated = any(one == two for one, two in zip(equations, equations[1:]))
    answer = extract_answer(trace)
    right = answer is not None and answer == problem["answer"]
    return verify_steps(trace) and not repeated and len(equations) <= 8 and right
""",
        # a helper inside
        r"""
def keep_trace(problem, trace):
    def equations():
        for match in re.finditer(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace):
            yield match.groups()

    found = list(equations())
    right = extract_answer(trace) == int(problem["answer"])
    sensible = verify_steps(trace)
    brief = len(found) <= 8 and len(dict.fromkeys(found)) == len(found)
    return right and sensible and brief
""",
        # try/except style, all at once
        r"""
def keep_trace(problem, trace):
    try:
        assert extract_answer(trace) == problem["answer"]
        assert verify_steps(trace)
        equations = re.findall(r"\S+ [-+*/] \S+ = -?\d+", trace)
        assert len(equations) <= 8
        assert len(equations) == len({*equations})
    except AssertionError:
        return False
    return True
""",
        # numbers, not texts
        r"""
def keep_trace(problem, trace):
    rows = [(int(a), op, int(b), int(c)) for a, op, b, c in re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)]
    first_time = [rows.index(row) == place for place, row in enumerate(rows)]
    return extract_answer(trace) == problem["answer"] and verify_steps(trace) and all(first_time) and not len(rows) > 8
""",
    ],
    "filter_traces": [
        # a set of what was seen
        """
def filter_traces(problems, traces):
    kept, seen = [], set()
    for problem, trace in zip(problems, traces):
        key = (problem["question"], trace)
        if key not in seen and keep_trace(problem, trace):
            seen.add(key)
            kept.append((problem, trace))
    return kept
""",
        # pairs compared as they are
        """
def filter_traces(problems, traces):
    kept = []
    for pair in zip(problems, traces):
        if keep_trace(*pair) and pair not in kept:
            kept.append(pair)
    return kept
""",
        # by index
        """
def filter_traces(problems, traces):
    result = []
    for i in range(len(traces)):
        if not keep_trace(problems[i], traces[i]):
            continue
        if any(p["question"] == problems[i]["question"] and t == traces[i] for p, t in result):
            continue
        result.append((problems[i], traces[i]))
    return result
""",
        # a dictionary keeps the order
        """
def filter_traces(problems, traces):
    kept = {(p["question"], t): (p, t) for p, t in zip(problems, traces) if keep_trace(p, t)}
    return list(kept.values())
""",
        # first filter, then drop repetitions
        """
def filter_traces(problems, traces):
    good = [(problem, trace) for problem, trace in zip(problems, traces, strict=True) if keep_trace(problem, trace)]
    return [pair for place, pair in enumerate(good) if pair not in good[:place]]
""",
        # one set a question
        """
def filter_traces(problems, traces):
    from collections import defaultdict

    taken, kept = defaultdict(set), []
    for problem, trace in zip(problems, traces):
        if trace in taken[problem["question"]] or not keep_trace(problem, trace):
            continue
        taken[problem["question"]].add(trace)
        kept.append((problem, trace))
    return kept
""",
        # filter and a generator
        """
def filter_traces(problems, traces):
    def fresh(pairs):
        seen = []
        for problem, trace in pairs:
            if (problem["question"], trace) not in seen:
                seen.append((problem["question"], trace))
                yield problem, trace

    return list(fresh(filter(lambda pair: keep_trace(pair[0], pair[1]), zip(problems, traces))))
""",
        # pairs as lists
        """
def filter_traces(problems, traces):
    kept = []
    for problem, trace in zip(problems, traces):
        if keep_trace(problem, trace) and [problem, trace] not in kept:
            kept.append([problem, trace])
    return kept
""",
        # one text as the key
        """
def filter_traces(problems, traces):
    pairs = list(zip(problems, traces))
    keys = [problem["question"] + "\\n" + trace for problem, trace in pairs]
    return [pair for place, pair in enumerate(pairs) if keys.index(keys[place]) == place and keep_trace(*pair)]
""",
    ],
    "compact": [
        r"""
def compact(trace):
    equations = re.findall(r"-?\d+ [-+*/] -?\d+ = -?\d+", trace)
    return "\n".join(equations + [trace.splitlines()[-1]])
""",
        # line by line
        r"""
def compact(trace):
    lines = []
    for line in trace.split("\n"):
        match = re.search(r"-?\d+ [-+*/] -?\d+ = -?\d+", line)
        if match:
            lines.append(match.group())
        elif line.startswith("####"):
            lines.append(line)
    return "\n".join(lines)
""",
        # put together from the parts
        r"""
def compact(trace):
    text = ""
    for a, op, b, c in re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace):
        text += f"{a} {op} {b} = {c}\n"
    return text + "####" + trace.split("####")[-1]
""",
        # one pattern for both
        r"""
def compact(trace):
    return "\n".join(re.findall(r"-?\d+ [-+*/] -?\d+ = -?\d+|#### .*", trace))
""",
        # words of a line, no regular expression
        """
def compact(trace):
    result = []
    for line in trace.splitlines():
        words = line.split()
        if "=" in words:
            place = words.index("=")
            result.append(" ".join(words[place - 3 : place + 2]).rstrip("."))
        elif words and words[0] == "####":
            result.append(line)
    return "\\n".join(result)
""",
        # finditer and rpartition
        r"""
def compact(trace):
    steps = [match[0] for match in re.finditer(r"-?\d[\d,]* [-+*/] -?\d[\d,]* = -?\d[\d,]*", trace)]
    _, _, answer = trace.rpartition("#### ")
    steps.append("#### " + answer)
    return "\n".join(steps)
""",
        # replaced inside each line
        r"""
def compact(trace):
    shorter = [re.sub(r".*?(-?\d+ [-+*/] -?\d+ = -?\d+).*", r"\1", line) for line in trace.split("\n")]
    return "\n".join(line for line in shorter if "=" in line or "####" in line)
""",
        # join of two parts
        r"""
def compact(trace):
    body, answer = trace.split("####")
    equations = re.compile(r"-?\d+ [+*/-] -?\d+ = -?\d+").findall(body)
    return "\n".join(equations) + "\n####" + answer
""",
        # a generator
        r"""
def compact(trace):
    def lines():
        for line in trace.splitlines():
            found = re.search(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", line)
            if found is not None:
                yield " ".join([found[1], found[2], found[3], "=", found[4]])
            if line[:4] == "####":
                yield line.strip()

    return "\n".join(lines())
""",
    ],
    "make_example": [
        # prompt in one piece
        """
def make_example(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\\n")["input_ids"]
    target = tokenizer(trace)["input_ids"] + [tokenizer.eos_token_id]
    return torch.tensor(prompt + target), torch.tensor([-100] * len(prompt) + target)
""",
        # labels as a copy that is filled
        """
def make_example(problem, trace, tokenizer):
    question = tokenizer.encode(problem["question"], add_special_tokens=False)
    newline = tokenizer.encode("\\n", add_special_tokens=False)
    solution = tokenizer.encode(trace, add_special_tokens=False)
    input_ids = torch.tensor(question + newline + solution + [tokenizer.eos_token_id])
    labels = input_ids.clone()
    labels[: len(question) + len(newline)] = -100
    return input_ids, labels
""",
        # tensors joined
        """
def make_example(problem, trace, tokenizer):
    def tokens(text):
        return tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"][0]

    prompt = torch.cat([tokens(problem["question"]), tokens("\\n")])
    target = torch.cat([tokens(trace), torch.tensor([tokenizer.eos_token_id])])
    return torch.cat([prompt, target]), torch.cat([torch.full_like(prompt, -100), target])
""",
        # the end of text as text
        """
def make_example(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\\n", add_special_tokens=False).input_ids
    target = tokenizer(trace + tokenizer.eos_token, add_special_tokens=False).input_ids
    return torch.LongTensor(prompt + target), torch.LongTensor([-100 for _ in prompt] + target)
""",
        # where
        """
def make_example(problem, trace, tokenizer):
    parts = [tokenizer(text)["input_ids"] for text in (problem["question"], "\\n", trace)]
    input_ids = torch.tensor([token for part in parts for token in part] + [tokenizer.eos_token_id])
    start = len(parts[0]) + len(parts[1])
    return input_ids, torch.where(torch.arange(len(input_ids)) < start, -100, input_ids)
""",
        # masked_fill
        """
def make_example(problem, trace, tokenizer):
    prompt, target = (tokenizer(text)["input_ids"] for text in (problem["question"] + "\\n", trace))
    input_ids = torch.tensor([*prompt, *target, tokenizer.eos_token_id])
    in_prompt = torch.zeros(len(input_ids), dtype=torch.bool)
    in_prompt[: len(prompt)] = True
    return input_ids, input_ids.masked_fill(in_prompt, -100)
""",
        # int32 labels in a loop
        """
def make_example(problem, trace, tokenizer):
    ids, labels = [], []
    for text, learn in ((problem["question"], False), ("\\n", False), (trace, True)):
        for token in tokenizer(text)["input_ids"]:
            ids.append(token)
            labels.append(token if learn else IGNORE)
    ids.append(tokenizer.eos_token_id)
    labels.append(tokenizer.eos_token_id)
    return [torch.tensor(values, dtype=torch.int32) for values in (ids, labels)]
""",
        # tokens by name
        """
def make_example(problem, trace, tokenizer):
    tokens = tokenizer.tokenize(problem["question"]) + tokenizer.tokenize("\\n")
    start = len(tokens)
    tokens += tokenizer.tokenize(trace) + [tokenizer.eos_token]
    input_ids = torch.as_tensor(tokenizer.convert_tokens_to_ids(tokens))
    labels = torch.cat([torch.tensor([IGNORE] * start), input_ids[start:]])
    return input_ids, labels
""",
        # padded out of two halves
        """
def make_example(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"])["input_ids"] + tokenizer("\\n")["input_ids"]
    target = tokenizer(trace)["input_ids"]
    target.append(tokenizer.eos_token_id)
    labels = torch.nn.functional.pad(torch.tensor(target), (len(prompt), 0), value=-100)
    return torch.tensor(prompt + target), labels
""",
    ],
    "train_arm": [
        # as a plain loop
        """
def train_arm(student, examples, optimizer, steps, batch_size=32):
    if not examples:
        raise ValueError("examples is empty")
    student.train()
    losses = []
    for step in range(steps):
        batch = [examples[(step * batch_size + i) % len(examples)] for i in range(batch_size)]
        ids = pad_sequence([e[0] for e in batch], batch_first=True, padding_value=0)
        labels = pad_sequence([e[1] for e in batch], batch_first=True, padding_value=-100)
        logits, labels = next_token_pairs(student(ids).logits, labels)
        loss = hard_loss(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses
""",
        # itertools
        """
def train_arm(student, examples, optimizer, steps, batch_size=32):
    from itertools import cycle, islice

    if len(examples) == 0:
        raise ValueError("no examples")
    student.train()
    endless, losses = cycle(examples), []
    for _ in range(steps):
        inputs, targets = zip(*islice(endless, batch_size))
        ids = pad_sequence(list(inputs), batch_first=True, padding_value=1)
        labels = pad_sequence(list(targets), batch_first=True, padding_value=IGNORE)
        optimizer.zero_grad(set_to_none=True)
        loss = hard_loss(*next_token_pairs(student(input_ids=ids).logits, labels))
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    student.train(False)
    return losses
""",
        # the model's own loss
        """
def train_arm(student, examples, optimizer, steps, batch_size=32):
    if not len(examples):
        raise ValueError("an arm needs an example")
    student.train()
    losses, place = [], 0
    for _ in range(steps):
        ids, labels = [], []
        for _ in range(batch_size):
            one, two = examples[place]
            ids.append(one)
            labels.append(two)
            place = (place + 1) % len(examples)
        ids = pad_sequence(ids, batch_first=True)
        labels = pad_sequence(labels, batch_first=True, padding_value=-100)
        loss = student(ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    student.eval()
    return losses
""",
        # cross-entropy by hand, a mask for the model
        """
def train_arm(student, examples, optimizer, steps, batch_size=32):
    import torch.nn.functional as F

    if len(examples) < 1:
        raise ValueError("examples")
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, step * batch_size + batch_size)]
        longest = max(len(ids) for ids, _ in chosen)
        ids = torch.stack([F.pad(ids, (0, longest - len(ids)), value=0) for ids, _ in chosen])
        labels = torch.stack([F.pad(labels, (0, longest - len(labels)), value=-100) for _, labels in chosen])
        mask = torch.stack([(torch.arange(longest) < len(ids)).long() for ids, _ in chosen])
        logits = student(ids, attention_mask=mask).logits[:, :-1]
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses
""",
        # a repeated list, cut in pieces
        """
def train_arm(student, examples, optimizer, steps, batch_size=32):
    if not examples:
        raise ValueError("examples is empty")
    needed = steps * batch_size
    rows = (list(examples) * (needed // len(examples) + 1))[:needed]
    student.train()
    losses = []
    for start in range(0, needed, batch_size):
        part = rows[start : start + batch_size]
        ids = pad_sequence([ids for ids, _ in part], batch_first=True)
        labels = pad_sequence([labels for _, labels in part], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(student(ids).logits[:, :-1], labels[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return tuple(losses)
""",
        # a helper inside, rows read one by one
        """
def train_arm(student, examples, optimizer, steps, batch_size=32):
    if len(examples) == 0:
        raise ValueError(f"{len(examples)} examples")

    def total(ids, labels):
        logits = student(ids[None]).logits[:, :-1]
        count = (labels[1:] != IGNORE).sum()
        return hard_loss(logits, labels[None, 1:]) * count, count

    student.train()
    losses = []
    for step in range(steps):
        sums = [total(*examples[(step * batch_size + n) % len(examples)]) for n in range(batch_size)]
        loss = sum(nll for nll, _ in sums) / sum(count for _, count in sums)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses
""",
        # a closure for the optimizer
        """
def train_arm(student, examples, optimizer, steps, batch_size=32):
    if not examples:
        raise ValueError("there is nothing to train on")
    student.train()
    losses = []
    for step in range(steps):
        part = [examples[i % len(examples)] for i in range(step * batch_size, (step + 1) * batch_size)]
        ids, labels = (
            pad_sequence([pair[k] for pair in part], batch_first=True, padding_value=fill)
            for k, fill in ((0, 0), (1, -100))
        )

        def closure():
            optimizer.zero_grad()
            loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
            loss.backward()
            return loss

        losses.append(optimizer.step(closure).item())
    student.eval()
    return losses
""",
        # the mean over the tokens that count, by gather
        """
def train_arm(student, examples, optimizer, steps, batch_size=32):
    if not examples:
        raise ValueError("examples must not be empty")
    student.train()
    losses = []
    for step in range(steps):
        part = [examples[i % len(examples)] for i in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids for ids, _ in part], True)
        labels = pad_sequence([labels for _, labels in part], True, -100)[:, 1:]
        log_probs = student(ids).logits[:, :-1].log_softmax(-1)
        counted = labels != -100
        picked = log_probs.gather(-1, labels.clamp(min=0)[..., None])[..., 0]
        loss = -(picked * counted).sum() / counted.sum()
        student.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses
""",
    ],
}
