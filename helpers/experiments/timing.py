"""Wall time and processor time of a block, and of a run that may be interrupted and resumed in another process.

Processor time is what the run itself took on all cores; other programs on the machine hardly change it.
"""

import time
from pathlib import Path


class Clock:
    """Wall time and processor time of a `with` block, in seconds."""

    def __enter__(self) -> "Clock":
        self.began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        wall, processor = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
        self.seconds = {"seconds": wall, "processor_seconds": processor}


class StepClock:
    """Times every step of a run and writes the times to a file, so that steps before an interruption count as well.

    Args:
        path: Gets a line for each step, with its number, wall seconds and processor seconds.
        resumed: Whether the run continues from a checkpoint. If not, times that an earlier run left are deleted.

    The first step begins when the clock is made.
    """

    def __init__(self, path: Path, *, resumed: bool):
        self.path, self.resumed = path, resumed
        path.parent.mkdir(parents=True, exist_ok=True)
        if not resumed:
            path.write_text("")
        self.last = time.perf_counter(), time.process_time()

    def step(self, number: int, _: object = None) -> None:
        """Record a step that has just ended; pass this to `distill` as `on_step`."""
        now = time.perf_counter(), time.process_time()
        wall, processor = (after - before for after, before in zip(now, self.last, strict=True))
        self.last = now
        with self.path.open("a") as file:
            file.write(f"{number} {wall:.4f} {processor:.4f}\n")

    def total(self, steps: int) -> dict:
        """Seconds of all steps, and whether the run was resumed.

        A step that was repeated after an interruption counts once; one whose line was cut short counts as the mean.
        """
        lines = (line.split() for line in self.path.read_text().splitlines())
        times = {int(line[0]): (float(line[1]), float(line[2])) for line in lines if len(line) == 3}
        wall, processor = (sum(seconds) / len(times) * steps for seconds in zip(*times.values(), strict=True))
        return {"seconds": wall, "processor_seconds": processor, "resumed": self.resumed}
