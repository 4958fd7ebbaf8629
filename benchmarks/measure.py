"""What the benchmarks share: the machine, peak memory, the rate of matrix products, one process for each arm."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from helpers.engine.precision import bfloat16_is_faster
from helpers.experiments import machine


def describe_machine() -> dict:
    """Return `helpers.experiments.machine.describe_machine`, and whether bfloat16 multiplies faster than float32."""
    return machine.describe_machine() | {"bfloat16_pays": bfloat16_is_faster("cpu")}


def reset_peak() -> float:
    """Forget this process's peak memory so far; return what it holds now, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak() -> float:
    """The most memory that this process held since `reset_peak`, in MB."""
    return _status("VmHWM")


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError(f"/proc/self/status has no {field}; peak memory is measured on Linux only")


def matrix_rate(dtype: torch.dtype = torch.float32, size: int = 1536, times: int = 5) -> float:
    """The best rate of products of two square matrices here and now, in floating-point operations a second.

    Seconds of the processor, of all threads together: with n threads, the rate of one is what this gives.
    """
    left, right = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    left @ right
    best = float("inf")
    for _ in range(times):
        began = time.process_time()
        left @ right
        best = min(best, time.process_time() - began)
    return 2 * size**3 / best


def in_own_process(module: str, *arguments: str) -> dict:
    """Run `python -m module arguments … --out FILE` and return what it wrote: memory and caches start afresh there."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        subprocess.run([sys.executable, "-m", module, *arguments, "--out", str(out)], check=True)
        return json.loads(out.read_text(encoding="utf-8"))
