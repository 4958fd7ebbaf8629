"""A teacher's outputs for a text, computed once and stored on disk, for runs that read the text more than once.

What is stored of the logits is one of two short forms, `TopK` and `Sampled` of `helpers.engine.logit_compression`. Both
take 2 bytes for a token's id (4 if V is above 65,536) and 2 for its value, and 2 more per position. The files are NumPy
arrays, mapped into memory: only what a batch needs is read.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from filelock import FileLock
from torch import Tensor
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from helpers.atomic import new_folder
from helpers.data.batches import Batch
from helpers.engine.chunked_loss import ChunkTargets, Targets, chunk_rows, counted_labels
from helpers.engine.logit_compression import Method, Sampled, TopK
from helpers.engine.model_parts import states_and_head
from helpers.engine.precision import autocast, choose_precision
from helpers.engine.teacher import fingerprint, fingerprint_tensors
from helpers.losses import check_temperature, widen

METADATA, OLD_METADATA = "metadata.json", "about.json"


def number_rows(rows: Batch) -> dict[str, Tensor]:
    """The same rows with their numbers, "row" `(N,)`, so that shuffled batches find their teacher's outputs."""
    return {**rows, "row": torch.arange(len(rows["input_ids"]))}


class LogitCache:
    """A teacher for `distill` whose outputs are read from a folder that `cache_teacher_logits` wrote.

    The batches must carry their row numbers: make them from `number_rows(rows)`.

    Raises:
        FileNotFoundError: there is no cache in the folder.
        ValueError: the cache is of another version, or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / METADATA
        if (self.folder / OLD_METADATA).exists() and not path.exists():
            raise ValueError(f"{self.folder} is a cache of an older version; delete it, or give another folder")
        try:
            self.metadata: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is damaged ({error}); delete the folder to compute the cache again") from error
        self.ids, self.mask, self.tokens, self.values = (
            np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("ids", "mask", "tokens", "values")
        )

    @property
    def fingerprint(self) -> str:
        """A short text that differs between caches."""
        return hashlib.blake2b(json.dumps(self.metadata, sort_keys=True).encode(), digest_size=16).hexdigest()

    @property
    def precision(self) -> torch.dtype:
        """The dtype of the teacher's matrix products."""
        return getattr(torch, self.metadata["precision"])

    @property
    def bytes_per_token(self) -> float:
        """Bytes of a position's outputs on disk. The text itself is stored too, at 9 bytes per token."""
        return (self.tokens.nbytes + self.values.nbytes) / (self.tokens.shape[0] * self.tokens.shape[1])

    def targets(self, batch: Batch) -> Targets:
        """The soft targets of a batch.

        Raises:
            ValueError: the batch has no row numbers, or its rows are not those of the cache.
        """
        if "row" not in batch:
            raise ValueError(
                "the batch has no row numbers; make the batches from helpers.engine.logit_cache.number_rows(rows)"
            )
        rows = batch["row"].cpu().numpy()
        fits = rows.max(initial=0) < len(self.ids) and batch["input_ids"].shape[1] == self.ids.shape[1]
        if (
            not fits
            or not np.array_equal(self.ids[rows], batch["input_ids"].cpu().numpy())
            or not np.array_equal(self.mask[rows], batch["attention_mask"].cpu().numpy() != 0)
        ):
            raise ValueError(f"{self.folder} holds outputs for other rows than the batch's; cache those of these first")
        counted, _ = counted_labels(batch)
        mask, device = counted.cpu().numpy(), counted.device
        tokens = torch.from_numpy(self.tokens[rows][mask].astype(np.int64)).to(device)
        values = torch.from_numpy(self.values[rows][mask].astype(np.float32)).to(device)
        return _CachedTargets(self, tokens, values)


@dataclass(frozen=True)
class _CachedTargets:
    """The stored outputs of N tokens: token ids `(N, k)` and values `(N, k + 1)`."""

    cache: LogitCache
    tokens: Tensor
    values: Tensor

    def chunk(self, rows: slice, temperature: float) -> ChunkTargets:
        stored = self.cache.metadata["temperature"]
        if temperature != stored:
            raise ValueError(
                f"temperature is {temperature}, and {self.cache.folder} holds outputs at {stored}; "
                "cache them at this temperature first"
            )
        kl = TopK.kl if self.cache.metadata["method"] == TopK.name else Sampled.kl
        return _CachedChunk(self.cache, kl, self.tokens[rows], self.values[rows])


@dataclass(frozen=True)
class _CachedChunk:
    cache: LogitCache
    compare: Callable[[Tensor, Tensor, Tensor], Tensor]
    tokens: Tensor
    values: Tensor

    def kl(self, student_logits: Tensor, part: slice) -> Tensor:
        metadata = self.cache.metadata
        if student_logits.shape[-1] != metadata["vocabulary"]:
            raise ValueError(
                f"the student's logits have V = {student_logits.shape[-1]}, and {self.cache.folder} holds outputs of a "
                f"teacher with V = {metadata['vocabulary']}; both must use the same vocabulary"
            )
        log_probs = F.log_softmax(widen(student_logits) / metadata["temperature"], dim=-1)
        return self.compare(log_probs, self.tokens[part], self.values[part]).sum() / max(len(log_probs), 1)


def cache_teacher_logits(
    folder: str | Path,
    teacher: PreTrainedModel,
    rows: Batch,
    method: Method,
    *,
    temperature: float,
    batch_size: int = 8,
    precision: torch.dtype | None = None,
    progress: bool = True,
) -> LogitCache:
    """Run the teacher on all rows once and store its outputs in a folder, or open them if they are there already.

    Args:
        folder: where the cache is, or will be.
        teacher: frozen, in eval mode.
        rows: input_ids and attention_mask `(N, S)`.
        method: `TopK` or `Sampled`: what is stored of the logits.
        temperature: T of the outputs; the distillation must use the same.
        batch_size: rows that the teacher reads at a time.
        precision: dtype of the matrix products. None takes that of an existing cache, or else what `choose_precision`
            measures to be faster.
        progress: whether to show a progress bar.

    Raises:
        ValueError: an argument is outside its range, or the folder holds a cache of another teacher, text or method.
        OSError: the disk is too small.
    """
    folder, vocabulary = Path(folder), teacher.config.vocab_size
    check_temperature(temperature)
    method.check(vocabulary)
    with FileLock(folder.with_name(folder.name + ".lock")):  # several processes may want the same cache
        existing = LogitCache(folder) if any((folder / name).exists() for name in (METADATA, OLD_METADATA)) else None
        if precision is None:
            precision = choose_precision(teacher) if existing is None else existing.precision
        metadata = {
            "method": method.name,
            **asdict(method),
            "temperature": temperature,
            "vocabulary": vocabulary,
            "precision": str(precision).removeprefix("torch."),
            "teacher": fingerprint(teacher),
            "rows": fingerprint_tensors({name: rows[name] for name in ("input_ids", "attention_mask")}),
        }
        if existing is not None:
            _check_metadata(existing, metadata)
            return existing
        _check_disk(folder, rows, method, vocabulary)
        with new_folder(folder) as part_path:
            _Writer(part_path, rows, method, vocabulary).write(teacher, temperature, batch_size, precision, progress)
            (part_path / METADATA).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
        return LogitCache(folder)


def _check_metadata(cache: LogitCache, metadata: dict[str, Any]) -> None:
    """Raise ValueError with the name of everything in which the cache differs from what is wanted."""
    differences = [
        f"{name} was {cache.metadata.get(name)} and is {metadata.get(name)}"
        for name in sorted(cache.metadata.keys() | metadata.keys())
        if cache.metadata.get(name) != metadata.get(name)
    ]
    if differences:
        raise ValueError(
            f"{cache.folder} holds other outputs: {'; '.join(differences)}; delete it, or give another folder"
        )


def _token_dtype(vocabulary: int) -> np.dtype:
    return np.dtype(np.uint16 if vocabulary <= 2**16 else np.int32)


def _check_disk(folder: Path, rows: Batch, method: Method, vocabulary: int) -> None:
    """Raise OSError if the disk has too little space for the cache."""
    count, length = rows["input_ids"].shape
    position_bytes = method.k * _token_dtype(vocabulary).itemsize + (method.k + 1) * np.dtype(method.dtype).itemsize
    needed = count * (length - 1) * position_bytes
    folder.parent.mkdir(parents=True, exist_ok=True)
    if needed > shutil.disk_usage(folder.parent).free:
        raise OSError(f"{folder} would take {needed / 1e6:.0f} MB, and the disk has less; take a smaller k or text")


class _Writer:
    """Writes the arrays of a cache: the rows at once, the teacher's outputs batch by batch."""

    def __init__(self, folder: Path, rows: Batch, method: Method, vocabulary: int) -> None:
        self.rows, self.method = rows, method
        count, length = rows["input_ids"].shape
        np.save(folder / "ids.npy", rows["input_ids"].numpy(), allow_pickle=False)
        np.save(folder / "mask.npy", rows["attention_mask"].numpy() != 0, allow_pickle=False)
        self.tokens, self.values = (
            np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(count, length - 1, width))
            for name, dtype, width in (
                ("tokens", _token_dtype(vocabulary), method.k),
                ("values", np.dtype(method.dtype), method.k + 1),
            )
        )

    def write(
        self, teacher: PreTrainedModel, temperature: float, batch_size: int, precision: torch.dtype, progress: bool
    ) -> None:
        """Run the teacher on all rows and store what the method keeps."""
        generator = torch.Generator(teacher.device).manual_seed(getattr(self.method, "seed", 0))
        starts = range(0, len(self.rows["input_ids"]), batch_size)
        for start in tqdm(starts, disable=not progress, desc="teacher", unit="batch"):
            rows = slice(start, start + batch_size)
            batch = {name: self.rows[name][rows].to(teacher.device) for name in ("input_ids", "attention_mask")}
            counted, _ = counted_labels(batch)
            with torch.inference_mode(), autocast(teacher.device, precision):
                tokens, values = self._pack(teacher, batch, counted, temperature, generator)
            mask = counted.cpu().numpy()
            self.tokens[rows][mask] = tokens.cpu().numpy()
            self.values[rows][mask] = values.cpu().numpy()
        self.tokens.flush()
        self.values.flush()

    def _pack(
        self, teacher: PreTrainedModel, batch: Batch, counted: Tensor, temperature: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Tokens `(N, k)` and values `(N, k + 1)` of a batch; its logits are computed a chunk at a time."""
        states, head = states_and_head(teacher, batch, counted)
        packed = []
        for chunk in states.split(chunk_rows(states.device, teacher.config.vocab_size)) if len(states) else [states]:
            logits = chunk if head is None else head(chunk)
            packed.append(self.method.pack(F.log_softmax(widen(logits) / temperature, dim=-1), generator))
        tokens, values = zip(*packed, strict=True)
        return torch.cat(tokens), torch.cat(values)
