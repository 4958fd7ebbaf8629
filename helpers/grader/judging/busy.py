"""Whether a time limit passed because the computer was busy with something else, and not with the notebook."""

from __future__ import annotations

import time
from typing import Protocol

from helpers.grader.sandbox.kernel_process import ProcessorTime

HALF = 0.5


class Watched(Protocol):
    """A kernel, or a process."""

    def processor_time(self) -> ProcessorTime | None:
        """Return how long it has computed, and waited for a processor; None where that is not known."""


class Watch:
    """Watches a kernel or a process from now on."""

    def __init__(self, kernel: Watched) -> None:
        self.kernel, self.start, self.before = kernel, time.monotonic(), kernel.processor_time()

    def starved(self) -> bool:
        """Return whether it has waited for a processor more than half of the time, and used less than half.

        A notebook that sleeps waits for nothing. One that starts many processes waits for itself, and uses a lot.
        """
        now = self.kernel.processor_time()
        if now is None or self.before is None:
            return False
        used, waited = now.used - self.before.used, now.waited - self.before.waited
        return waited > HALF * (time.monotonic() - self.start) > used
