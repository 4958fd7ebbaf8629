"""Whether a time limit passed because the computer was busy with something else, and not with the notebook."""

from __future__ import annotations

import time

from helpers.grader.judging.student_kernel import StudentKernel

HALF = 0.5


class Watch:
    """Watches a kernel from now on."""

    def __init__(self, kernel: StudentKernel) -> None:
        self.kernel, self.start, self.before = kernel, time.monotonic(), kernel.processor_time()

    def starved(self) -> bool:
        """Return whether the kernel has waited for a processor more than half of the time, and used less than half.

        A notebook that sleeps waits for nothing. One that starts many processes waits for itself, and uses a lot.
        """
        now = self.kernel.processor_time()
        if now is None or self.before is None:
            return False
        used, waited = now.used - self.before.used, now.waited - self.before.waited
        return waited > HALF * (time.monotonic() - self.start) > used
