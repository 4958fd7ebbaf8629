"""What a teacher says about a text, computed once and kept on disk, for runs that read the text more than once.

All of a teacher's logits would take 4 · V bytes a token: 201 kB with a vocabulary of 50,257. Two short forms:

- **top**: the k likeliest tokens and, in one more bucket, the probability of all others together. The student is
  compared on these k + 1 outcomes. This is less than the true KL, never more, and says nothing of the order in the
  tail; with k = V it is the true KL.
- **sampled**: k tokens drawn from the teacher, each weighed so that the mean over draws is the full sum. A single draw
  is off, but not to one side: value and gradient are those of the true KL in expectation.

Both take 2 bytes for a token's number (4 with more than 65,536), 2 for its value, and 2 more a position. The files are
NumPy arrays, mapped into memory: only what a batch needs is read. Source: Anshumann et al. 2025, "Sparse Logit
Sampling: Accelerating Knowledge Distillation in LLMs", for the bias of top-k and for sampling.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from filelock import FileLock
from torch import Tensor, nn
from tqdm.auto import tqdm

from helpers.data.batches import Batch
from helpers.engine.chunked_loss import PartLoss, Targets, chunk_rows, counted_labels, states_and_head
from helpers.engine.precision import choose_precision
from helpers.losses import check_temperature, widen

FORMS = ("top", "sampled")
LOWEST = -60_000.0  # a logarithm that float16 can hold, of a probability that is 0 for all purposes


def number_rows(rows: Batch) -> dict[str, Tensor]:
    """The same rows with their numbers, "row" `(N,)`: so that shuffled batches find their answers."""
    return {**rows, "row": torch.arange(len(rows["input_ids"]))}


class TeacherCache:
    """Kept answers, to be given to `distill` in the teacher's place. Made by `keep_answers`; opened by its folder.

    The batches must carry the numbers of their rows: make them from `number_rows(rows)`.
    Raises FileNotFoundError where there are none, and ValueError where they are not such answers.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.about: dict[str, Any] = json.loads((self.folder / "about.json").read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{self.folder / 'about.json'} is not what a teacher cache writes: {error}") from error
        self.ids, self.mask, self.tokens, self.values = (
            np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("ids", "mask", "tokens", "values")
        )

    @property
    def fingerprint(self) -> str:
        """A short text that is another one for other answers."""
        return hashlib.blake2b(json.dumps(self.about, sort_keys=True).encode(), digest_size=16).hexdigest()

    @property
    def bytes_per_token(self) -> float:
        """Bytes of an answer on disk. Beside it, the text itself is kept, with its mask, at 9 bytes a token."""
        return (self.tokens.nbytes + self.values.nbytes) / (self.tokens.shape[0] * self.tokens.shape[1])

    def targets(self, batch: Batch) -> Targets:
        """The soft term for a batch, from the kept answers.

        Raises ValueError if the batch has no row numbers, or rows other than those that were answered.
        """
        if "row" not in batch:
            raise ValueError(
                "the batch has no row numbers; make the batches from helpers.engine.logit_cache.number_rows(rows)"
            )
        rows = batch["row"].cpu().numpy()
        inside = rows.max(initial=0) < len(self.ids) and batch["input_ids"].shape[1] == self.ids.shape[1]
        if (
            not inside
            or not np.array_equal(self.ids[rows], batch["input_ids"].cpu().numpy())
            or not np.array_equal(self.mask[rows], batch["attention_mask"].cpu().numpy() != 0)
        ):
            raise ValueError(f"{self.folder} holds answers to other rows than the batch's; keep answers to these first")
        counted, _ = counted_labels(batch)
        chosen, device = counted.cpu().numpy(), counted.device
        tokens = torch.from_numpy(self.tokens[rows][chosen].astype(np.int64)).to(device)
        values = torch.from_numpy(self.values[rows][chosen].astype(np.float32)).to(device)
        compare = bucketed_kl if self.about["form"] == "top" else sampled_kl

        def chunk_kl(here: slice, temperature: float) -> PartLoss:
            if temperature != self.about["temperature"]:
                raise ValueError(
                    f"temperature is {temperature}, and {self.folder} holds answers at {self.about['temperature']}; "
                    "keep answers at this temperature first"
                )

            def kl(student_logits: Tensor, part: slice) -> Tensor:
                if student_logits.shape[-1] != self.about["vocabulary"]:
                    raise ValueError(
                        f"the student's logits have V = {student_logits.shape[-1]}, and {self.folder} holds answers of "
                        f"a teacher with V = {self.about['vocabulary']}; both must use one vocabulary"
                    )
                log_probs = F.log_softmax(widen(student_logits) / temperature, dim=-1)
                return compare(log_probs, tokens[here][part], values[here][part]).sum() / max(len(log_probs), 1)

            return kl

        return chunk_kl


def bucketed_kl(student: Tensor, tokens: Tensor, log_probs: Tensor) -> Tensor:
    """KL(teacher || student) over k tokens and the bucket of all others, `(N,)`, in nats.

    student: log-probabilities `(N, V)`. tokens: `(N, k)`, the teacher's likeliest. log_probs: the teacher's, `(N, k)`
    and after them that of the bucket; what rounding took from their sum is given back. k = V: no bucket.
    """
    likeliest = student.gather(1, tokens)
    if tokens.shape[1] == student.shape[1]:
        outcomes, log_probs = likeliest, log_probs[:, :-1]
    else:
        others = student.scatter(1, tokens, -torch.inf).logsumexp(dim=1, keepdim=True)
        outcomes = torch.cat([likeliest, others], dim=1)
    teacher = log_probs.to(student.dtype).log_softmax(dim=1)
    return (teacher.exp() * (teacher - outcomes)).sum(dim=1)


def sampled_kl(student: Tensor, tokens: Tensor, weights: Tensor) -> Tensor:
    """An estimate of KL(teacher || student), `(N,)`, in nats; right in the mean over draws, and so is its gradient.

    student: log-probabilities `(N, V)`. tokens: `(N, k)`, drawn. weights: `(N, k)`, and after them the teacher's
    entropy. The cross-entropy is a sum over the vocabulary with the teacher's probabilities as weights: the draws
    estimate it. The entropy has no gradient and is exact.
    """
    return -(weights[:, :-1] * student.gather(1, tokens)).sum(dim=1) - weights[:, -1]


def keep_answers(
    folder: str | Path,
    teacher: nn.Module,
    rows: Batch,
    *,
    temperature: float,
    k: int = 64,
    form: str = "top",
    power: float = 1.0,
    seed: int = 0,
    batch_size: int = 8,
    precision: torch.dtype | None = None,
    values: type = np.float16,
    progress: bool = True,
) -> TeacherCache:
    """Let the teacher read all rows once and keep its answers in `folder`; open them if they are there already.

    teacher: frozen, in eval mode. rows: input_ids and attention_mask `(N, S)`. temperature: T of the answers; the
    distillation must use the same. k: tokens a position. form: "top" or "sampled". power, seed: of "sampled"; draws
    are from the teacher's probabilities to this power, made to sum to 1 again, so that less than 1 looks at rare tokens
    more often. batch_size: rows that the teacher reads together. precision: dtype of the products; None takes
    that of the answers that are there, or lets `choose_precision` decide. values: dtype on disk.

    Raises ValueError for arguments that cannot be, and where the folder holds answers of another teacher, to another
    text or in another form; OSError where the disk is too small.
    """
    folder = Path(folder)
    check_temperature(temperature)
    vocabulary = teacher.config.vocab_size
    if form not in FORMS:
        raise ValueError(f'form is "{form}"; it must be one of: {", ".join(FORMS)}')
    if k < 1 or (form == "top" and k > vocabulary):
        raise ValueError(f"k is {k}; it must be at least 1, and at most the vocabulary of {vocabulary} for form top")
    if not power > 0:
        raise ValueError(f"power is {power}; it must be above 0")
    with FileLock(folder.with_name(folder.name + ".lock")):  # where several processes want the same answers
        kept = TeacherCache(folder) if (folder / "about.json").exists() else None
        if precision is None:
            known = (
                None if kept is None else getattr(torch, str(kept.about.get("precision")).removeprefix("torch."), None)
            )
            precision = known or choose_precision(teacher)
        about = {
            "form": form, "k": k, "temperature": temperature, "power": power, "seed": seed, "vocabulary": vocabulary,
            "precision": str(precision), "values": np.dtype(values).name, "teacher": _digest(teacher.state_dict()),
            "rows": _digest({name: rows[name] for name in ("input_ids", "attention_mask")}),
        }  # fmt: skip
        if kept is not None:
            differ = [f"{n} was {kept.about.get(n)} and is {v}" for n, v in about.items() if kept.about.get(n) != v]
            if differ:
                raise ValueError(
                    f"{folder} holds other answers: {'; '.join(differ)}; delete it, or give another folder"
                )
            return kept
        beside = folder.with_name(folder.name + ".part")
        shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed
        beside.mkdir(parents=True)
        count, length = rows["input_ids"].shape
        number = np.uint16 if vocabulary <= 2**16 else np.int32
        needed = count * (length - 1) * (k * np.dtype(number).itemsize + (k + 1) * np.dtype(values).itemsize)
        if needed > shutil.disk_usage(beside).free:
            raise OSError(f"{folder} would take {needed / 1e6:.0f} MB, and the disk has less; take a smaller k or text")
        np.save(beside / "ids.npy", rows["input_ids"].numpy(), allow_pickle=False)
        np.save(beside / "mask.npy", rows["attention_mask"].numpy() != 0, allow_pickle=False)
        written = [
            np.lib.format.open_memmap(beside / f"{name}.npy", mode="w+", dtype=dtype, shape=(count, length - 1, width))
            for name, dtype, width in (("tokens", number, k), ("values", values, k + 1))
        ]
        device = next(teacher.parameters()).device
        generator = torch.Generator(device).manual_seed(seed)
        for start in tqdm(range(0, count, batch_size), disable=not progress, desc="teacher", unit="batch"):
            here = slice(start, start + batch_size)
            batch = {name: rows[name][here].to(device) for name in ("input_ids", "attention_mask")}
            counted, _ = counted_labels(batch)
            with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision != torch.float32):
                answers = _answers(teacher, batch, counted, temperature, k, form, power, generator)
            for array, answer in zip(written, answers, strict=True):
                array[here][counted.cpu().numpy()] = answer.cpu().numpy()
        for array in written:
            array.flush()
        (beside / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        os.replace(beside, folder)
        return TeacherCache(folder)


def _answers(teacher, batch, counted, temperature, k, form, power, generator) -> tuple[Tensor, Tensor]:
    """Tokens `(N, k)` and values `(N, k + 1)` for the counted positions of a batch."""
    states, head = states_and_head(teacher, batch, counted)
    rows = chunk_rows(states.device, teacher.config.vocab_size)
    tokens, values = [], []
    for part in states.split(rows) if len(states) else [states]:
        log_probs = F.log_softmax(widen(part if head is None else head(part)) / temperature, dim=-1)
        if form == "top":
            best = log_probs.topk(k, dim=-1)
            others = log_probs.scatter(1, best.indices, -torch.inf).logsumexp(dim=1, keepdim=True)
            tokens.append(best.indices)
            values.append(torch.cat([best.values, others], dim=1).clamp(min=LOWEST))
        else:
            drawn_from = (power * log_probs).log_softmax(dim=1)
            probs = drawn_from.exp()
            drawn = torch.multinomial(probs, k, replacement=True, generator=generator) if len(probs) else \
                torch.empty(0, k, dtype=torch.long, device=probs.device)  # fmt: skip
            weights = (log_probs - drawn_from).gather(1, drawn).exp() / k
            entropy = -(log_probs.exp() * log_probs).sum(dim=1, keepdim=True)
            tokens.append(drawn)
            values.append(torch.cat([weights, entropy], dim=1))
    return torch.cat(tokens), torch.cat(values)


def _digest(tensors: dict[str, Tensor]) -> str:
    """A short text that changes when a tensor does."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
