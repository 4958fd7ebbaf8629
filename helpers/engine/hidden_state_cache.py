"""A teacher whose hidden states are stored on disk: the teacher reads each row once, in whichever run comes first.

Stored are the hidden states before the head, in float16: 1,152 bytes per token for SmolLM2, where its logits would take
196,608. The head turns them into all of the teacher's logits again, at a fifth of the teacher's whole cost, so nothing
is left out. `helpers.engine.logit_cache` stores the largest logits instead, which takes less space but is not exact.

The file is an SQLite database: several processes may share it, and one that dies while it writes leaves the rows that
were there intact. With a write-ahead log it is as fast as appending to a plain file; the log needs a local disk.
"""

import hashlib
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from helpers.data.batches import Batch
from helpers.engine.chunked_loss import LogitTargets, Targets, counted_labels
from helpers.engine.model_parts import backbone_and_head
from helpers.engine.precision import autocast, choose_precision
from helpers.engine.teacher import fingerprint, freeze

LOCK_TIMEOUT_SECONDS = 60.0  # how long to wait for another process to finish writing


class HiddenStateCache:
    """A teacher for `distill` that reads each row once and stores its hidden states.

    Rows are identified by their tokens and mask. `rows_read` counts the rows that the model had to read.

    Args:
        model: a transformers model with a plain head (see `backbone_and_head`); it is frozen.
        path: the file, on a local disk; created if it does not exist. Each teacher needs its own.

    Raises:
        ValueError: the model's head cannot be told apart, or the file belongs to another teacher.
    """

    def __init__(self, model: PreTrainedModel, path: str | Path) -> None:
        parts = backbone_and_head(model)
        if parts is None or getattr(parts[1], "bias", None) is not None:  # torch's types say that it is never None
            raise ValueError(
                f"model is a {type(model).__name__}; its logits must come from a plain head without a bias"
            )
        self.backbone, self.head = parts
        self.model, self.path = model, Path(path)
        self.fingerprint = fingerprint(freeze(model))
        self.rows_read = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._database = self._open()

    def states(self, batch: Batch) -> Tensor:
        """Hidden states before the head, `(B, S, H)` float32."""
        ids, mask = batch["input_ids"], batch["attention_mask"]
        keys = [_row_key(*row) for row in zip(ids, mask, strict=True)]
        stored = {key: states for key in keys if (states := self._load(key)) is not None}
        missing = [index for index, key in enumerate(keys) if key not in stored]
        if missing:
            new = self._run(ids[missing], mask[missing])
            read = {keys[index]: states.tobytes() for index, states in zip(missing, new, strict=True)}
            with self._database:  # one transaction
                self._database.executemany("INSERT OR IGNORE INTO states VALUES (?, ?)", read.items())
            stored |= read
        float16 = torch.frombuffer(bytearray().join(stored[key] for key in keys), dtype=torch.float16)
        return float16.reshape(*ids.shape, -1).float().to(self.head.weight.device)

    def targets(self, batch: Batch) -> Targets:
        """The soft targets of a batch, as `helpers.engine.chunked_loss.model_targets` gives them."""
        counted, _ = counted_labels(batch)
        return LogitTargets(self.states(batch)[:, :-1][counted], self.head.weight.float())

    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """An object with all `logits` `(B, S, V)`, float32, like a model's output."""
        states = self.states({"input_ids": input_ids, "attention_mask": attention_mask})
        with torch.no_grad():
            return SimpleNamespace(logits=F.linear(states, self.head.weight.float()))

    def _run(self, ids: Tensor, mask: Tensor) -> np.ndarray:
        """The backbone's last hidden states, `(B, S, H)` float16."""
        device = self.model.device
        with torch.inference_mode(), autocast(device, choose_precision(self.model)):
            output = self.backbone(ids.to(device), attention_mask=mask.to(device), use_cache=False)
        self.rows_read += len(ids)
        return output.last_hidden_state.half().cpu().numpy()

    def _open(self) -> sqlite3.Connection:
        """Connect, and create the tables in a new file. Raises ValueError if the file is not this teacher's."""
        database = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT_SECONDS)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the last rows, never the file
            with database:
                database.execute("CREATE TABLE IF NOT EXISTS teacher (one INTEGER PRIMARY KEY, fingerprint TEXT)")
                database.execute("CREATE TABLE IF NOT EXISTS states (row BLOB PRIMARY KEY, float16 BLOB)")
                database.execute("INSERT OR IGNORE INTO teacher VALUES (1, ?)", (self.fingerprint,))
            (owner,) = database.execute("SELECT fingerprint FROM teacher").fetchone()
        except sqlite3.OperationalError:  # locked, or the disk is full: not the file's fault
            raise
        except sqlite3.DatabaseError:  # not an SQLite file
            owner = None
        if owner != self.fingerprint:
            database.close()
            raise ValueError(
                f"{self.path} does not hold hidden states of this teacher; "
                "give each teacher its own file, or delete this one"
            )
        return database

    def _load(self, key: bytes) -> bytes | None:
        found = self._database.execute("SELECT float16 FROM states WHERE row = ?", (key,)).fetchone()
        return None if found is None else found[0]


def _row_key(ids: Tensor, mask: Tensor) -> bytes:
    return hashlib.sha256(torch.stack([ids, mask.long()]).cpu().numpy().tobytes()).digest()
