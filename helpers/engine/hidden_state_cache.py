"""What a teacher said, kept as hidden states: the teacher reads each row once, whatever comes of it later.

Kept are the hidden states before the head, in float16: for SmolLM2, 1,152 bytes a token where its logits would take
196,608. The head turns them into the teacher's logits again, all of them, so nothing is left out; the head costs a
fifth of the whole teacher. `helpers.engine.logit_cache` keeps the largest logits instead, which is smaller and not
exact.

The file only ever grows at its end, so a run that is cut off loses at most the row that was being written. Several
processes may share it; each sees what was there when it began or last wrote.
"""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from filelock import FileLock
from torch import Tensor
from transformers import PreTrainedModel

from helpers.data.batches import Batch
from helpers.engine.chunked_loss import Targets, backbone_and_head, counted_labels, logits_targets
from helpers.engine.precision import choose_precision
from helpers.engine.teacher import fingerprint, freeze

KEY_BYTES = 32


class HiddenStateCache:
    """A teacher for `distill` that reads a row once and remembers it, in this process and in a file.

    model: a transformers model with a plain head (`backbone_and_head`). path: the file, made if it is not there; give
    each teacher its own. Rows are known by their tokens and mask. `read` counts the rows that the model had to read.
    Raises ValueError for a model whose head cannot be told apart, and for a file of another teacher.
    """

    def __init__(self, model: PreTrainedModel, path: str | Path):
        parts = backbone_and_head(model)
        if parts is None or parts[1].bias is not None:
            raise ValueError(f"model is a {type(model).__name__}; its logits must be a plain head's products")
        self.model, self.path, self.read = freeze(model), Path(path), 0
        self.backbone, self.head = parts
        self.fingerprint = fingerprint(model)
        self._known: dict[bytes, np.ndarray] = {}
        self._end = 0  # of what was read of the file
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(f"{self.path}.lock")
        with self._lock:
            self._open()

    def states(self, batch: Batch) -> Tensor:
        """Hidden states before the head, `(B, S, H)` float32."""
        ids, mask = batch["input_ids"], batch["attention_mask"]
        keys = [self._key(row, keep) for row, keep in zip(ids, mask, strict=True)]
        new = [index for index, key in enumerate(keys) if key not in self._known]
        if new:
            precision = choose_precision(self.model)
            device = self.model.device
            with (
                torch.inference_mode(),
                torch.autocast(device.type, precision, enabled=precision != torch.float32),
            ):
                read = self.backbone(ids[new].to(device), attention_mask=mask[new].to(device), use_cache=False)
            for index, states in zip(new, read.last_hidden_state.half().cpu().numpy(), strict=True):
                self._remember(keys[index], states)
            self.read += len(new)
        return torch.from_numpy(np.stack([self._known[key] for key in keys])).float().to(self.head.weight.device)

    def targets(self, batch: Batch) -> Targets:
        """The soft term for a batch, chunk by chunk, as `helpers.engine.chunked_loss.model_targets` gives it."""
        counted, _ = counted_labels(batch)
        return logits_targets(self.states(batch)[:, :-1][counted], self._logits)

    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """An object with all `logits` `(B, S, V)`, float32, as a model gives them."""
        return SimpleNamespace(
            logits=self._logits(self.states({"input_ids": input_ids, "attention_mask": attention_mask}))
        )

    def _logits(self, states: Tensor) -> Tensor:
        with torch.no_grad():
            return F.linear(states, self.head.weight.float())

    @staticmethod
    def _key(row: Tensor, mask: Tensor) -> bytes:
        return hashlib.sha256(torch.stack([row, mask.long()]).cpu().numpy().tobytes()).digest()

    def _open(self) -> None:
        """Read the file: a line that names the teacher, then key, number of tokens and states of each row."""
        header = f"distillab teacher states 2, of {self.fingerprint}\n".encode()
        if not self.path.exists():
            self.path.write_bytes(header)
        with self.path.open("rb") as file:
            if file.read(len(header)) != header:
                raise ValueError(
                    f"{self.path} does not hold hidden states of this teacher; "
                    "give each teacher its own file, or delete this one"
                )
        self._end = len(header)
        self._read_on()

    def _read_on(self) -> None:
        """Take in what stands behind the part that was read. A row that a cut-off left unfinished is taken away."""
        with self.path.open("rb") as file:
            file.seek(self._end)
            data = file.read()
        width, at = self.head.weight.shape[1], 0
        while at + KEY_BYTES + 4 <= len(data):
            key = data[at : at + KEY_BYTES]
            tokens = int.from_bytes(data[at + KEY_BYTES : at + KEY_BYTES + 4], "little")
            end = at + KEY_BYTES + 4 + 2 * tokens * width
            if end > len(data):
                break
            states = np.frombuffer(data, np.float16, tokens * width, at + KEY_BYTES + 4)
            self._known[key] = states.reshape(tokens, width)
            at = end
        self._end += at
        if at < len(data):
            with self.path.open("r+b") as file:
                file.truncate(self._end)

    def _remember(self, key: bytes, states: np.ndarray) -> None:
        row = key + len(states).to_bytes(4, "little") + states.tobytes()
        with self._lock:
            self._read_on()  # another process may have written, or died while it wrote
            if key not in self._known:
                with self.path.open("ab") as file:
                    file.write(row)
                self._known[key], self._end = states, self._end + len(row)
