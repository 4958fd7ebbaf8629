"""What the grader, the judging server and the processes below it say to each other before the work begins."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from helpers.grader.limits import Limits

READY, FAILED = b"+", b"-"  # a lab's process to a request
DONE = b"+"  # the grader to what its child asks for; anything else is a refusal
CRASHED, OUT_OF_MEMORY = 1, 2  # exit statuses of a submission's process
MAX_REQUEST_BYTES = 2**14
MAX_JOB_BYTES = 2**16
MAX_LISTING_BYTES = 2**24  # of the names of the files in one archive


@dataclass(frozen=True)
class LabSource:
    """Which lab, which version of it and of the code, and the secret seed of the run."""

    folder: str
    seed: int = field(repr=False)
    digest: str
    code: str  # `digest.CODE_AT_START` of the process that asks


@dataclass(frozen=True)
class Request:
    """What the grader asks for: that a lab is loaded, or that a process is started as well, to judge a submission.

    Without a lab, a process is started to read an archive.
    """

    lab: LabSource | None
    starts: bool

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Request:
        content = json.loads(data)
        return cls(LabSource(**content["lab"]) if content["lab"] else None, content["starts"])


@dataclass(frozen=True)
class Job:
    """What a submission's process is told before it gets the notebook."""

    folder: str  # where the grader has put the files that lie beside the notebook; the kernel gets a copy
    kernel_name: str
    limits: Limits
    replayed: tuple[str, ...] = ()  # the cases that are called again for an instructor; without any, all are judged
    is_judged: bool = False  # that the record follows, whose points the notebook is to show; nothing runs then

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Job:
        content = json.loads(data)
        limits, replayed = Limits(**content["limits"]), tuple(content["replayed"])
        return cls(content["folder"], content["kernel_name"], limits, replayed, content["is_judged"])
