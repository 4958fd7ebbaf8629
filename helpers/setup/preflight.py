"""What a tier downloads and needs, how long it takes, and what is still missing, before a run starts.

    preflight()     a table of facts, and the problems to solve first

Nothing here downloads anything.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import torch
from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE
from torch.utils.benchmark import Timer

from helpers.engine.precision import choose_precision
from helpers.fetch import DOWNLOAD_MB, KEPT_MB, WORKING_MB, free_mb, is_fetched, laptop_folder, missing_packages
from helpers.models import HUB, is_here, model_source
from helpers.tiers import Tier, tier_of

HUB_MB = {HUB["teacher"]: 1_520, HUB["student"]: 353}
LAPTOP_TERAFLOP = (
    320  # labs 03 and 04: two students trained for 240 steps (one with its teacher), three models measured
)
SHARE_OF_RATE = 0.5  # of the rate of matrix products alone; the rest goes into attention, norms and the optimizer
HUB_TIMEOUT_SECONDS = 3


@dataclass(frozen=True)
class Preflight:
    """What a tier needs, and what is missing; displays itself in a notebook and in plain Python."""

    tier: Tier
    facts: dict[str, str]
    problems: list[str] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether the labs can start."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.ready

    @property
    def headline(self) -> str:
        return f"Tier {self.tier.name}: " + ("ready" if self.ready else "not ready yet")

    def __repr__(self) -> str:
        width = max(map(len, self.facts))
        facts = [f"  {name.ljust(width)}  {value}" for name, value in self.facts.items()]
        return "\n".join([self.headline, *facts, *(f"  Missing: {problem}" for problem in self.problems)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>'
            f'<td style="text-align:left">{escape(value)}</td></tr>'
            for name, value in self.facts.items()
        )
        problems = "".join(f"<li>{escape(problem)}</li>" for problem in self.problems)
        missing = f"<p>Missing:</p><ul>{problems}</ul>" if problems else ""
        return f"<p><strong>{escape(self.headline)}</strong></p><table>{rows}</table>{missing}"


def preflight(tier: str | None = None) -> Preflight:
    """What the tier downloads and needs, how long it takes, and what is missing. Downloads nothing.

    For the laptop tier, a matrix product is timed (half a second) to estimate how long the labs take on this machine.
    Raises ValueError for an unknown tier.
    """
    chosen = tier_of(tier)
    facts = {"teacher": chosen.teacher, "student": chosen.student, "text": chosen.text}
    if chosen.name == "tiny":
        facts["download"] = "nothing"
        problems = _memory(chosen, facts)
        facts["time"] = f"about {chosen.minutes:g} minutes for labs 03 and 04 on two cores"
    elif chosen.name == "laptop":
        problems = _laptop_download(facts) + _memory(chosen, facts)
        _laptop_speed(facts)
    else:
        problems = _hub_downloads(facts) + _gpu(chosen, facts)
    facts["training"] = (
        f"{chosen.steps} steps of {chosen.batch_size} rows of {chosen.length} tokens, "
        f"learning rate {chosen.learning_rate:g}, T = {chosen.temperature:g}, α = {chosen.alpha:g}"
    )
    return Preflight(chosen, facts, problems)


def _memory(chosen: Tier, facts: dict[str, str]) -> list[str]:
    """Add the main memory that the tier needs, and return what is missing."""
    memory = machine_memory()
    facts["memory"] = f"about {chosen.memory_gb:g} GB; this machine has {memory:.0f} GB"
    if memory < chosen.memory_gb:
        return [f"memory: this machine has {memory:.1f} GB; the tier needs about {chosen.memory_gb:g} GB"]
    return []


def _laptop_speed(facts: dict[str, str]) -> None:
    """Add how long the laptop tier's labs take on this machine, and in which precision it trains."""
    rate, dtype = product_rate()
    minutes = LAPTOP_TERAFLOP / (rate * SHARE_OF_RATE) / 60 * 1e3
    facts["time"] = f"about {minutes:.0f} minutes for labs 03 and 04, estimated from {rate:.0f} GFLOP/s measured now"
    facts["precision"] = f"{dtype}, the faster of bfloat16 and float32 on this processor"


def _laptop_download(facts: dict[str, str]) -> list[str]:
    """Add what the laptop tier downloads, and return what is missing."""
    source = model_source("laptop", "teacher")
    if source != str(laptop_folder()):
        facts["download"] = f"nothing: DISTILLAB_TEACHER names {source}"
        return (
            [] if Path(source).is_dir() else [f"teacher: DISTILLAB_TEACHER names {source}, and there is no such folder"]
        )
    if is_fetched():
        facts["download"] = f"nothing: the teacher is in {source}"
        return []
    facts["download"] = f"{DOWNLOAD_MB} MB, once, when you run `distillab fetch laptop`"
    facts["disk"] = f"{KEPT_MB} MB, and {WORKING_MB} MB during the fetch; {free_mb(laptop_folder()):,.0f} MB are free"
    problems = ["teacher: run `distillab fetch laptop`"]
    if packages := missing_packages():
        problems.append(f"packages: {', '.join(packages)}; run: pip install 'distillab[laptop]'")
    if free_mb(laptop_folder()) < WORKING_MB:
        problems.append(f"disk: the fetch needs {WORKING_MB} MB free in {laptop_folder().parent}")
    return problems


def _hub_downloads(facts: dict[str, str]) -> list[str]:
    """Add what the gpu tier downloads when its models are first loaded, and return what cannot be downloaded."""
    here: list[str] = []
    missing: list[str] = []
    problems: list[str] = []
    for role in ("teacher", "student"):
        source = model_source("gpu", role)
        if is_here(source):
            here.append(source)
        else:
            missing.append(f"{source} ({HUB_MB[source]:,} MB)" if source in HUB_MB else source)
    if not missing:
        facts["download"] = f"only the text (8 MB, from the hub); {' and '.join(here)} are already here"
        return problems
    facts["download"] = f"from the hub, when they are first loaded: {', '.join(missing)}; and the text (8 MB)"
    if HF_HUB_OFFLINE:
        problems.append("download: HF_HUB_OFFLINE is set, so nothing can be downloaded; name local folders instead")
    elif not _reaches_hub():
        problems.append(
            "download: the hub (huggingface.co) cannot be reached; name local folders in DISTILLAB_TEACHER and "
            "DISTILLAB_STUDENT"
        )
    return problems


def _gpu(chosen: Tier, facts: dict[str, str]) -> list[str]:
    """Add the GPU memory and the time that the gpu tier needs, and return what is missing."""
    facts["memory"] = f"about {chosen.memory_gb:g} GB of GPU memory (estimated from the models' sizes)"
    facts["time"] = f"about {chosen.minutes:g} minutes for labs 03 and 04 on one GPU (estimated)"
    if not torch.cuda.is_available():
        return ["GPU: PyTorch finds no CUDA GPU; use the tier tiny or laptop, or a machine with a GPU"]
    free, total = (size / 1e9 for size in torch.cuda.mem_get_info())
    facts["GPU"] = f"{torch.cuda.get_device_name()}, {free:.1f} of {total:.1f} GB free"
    if free < chosen.memory_gb:
        return [f"GPU memory: {free:.1f} GB are free; the tier needs about {chosen.memory_gb:g} GB"]
    return []


def _reaches_hub() -> bool:
    """Whether a connection to the hub can be opened."""
    address = urlsplit(ENDPOINT)
    try:
        with socket.create_connection((address.hostname, address.port or 443), timeout=HUB_TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def product_rate() -> tuple[float, str]:
    """The rate of this processor's matrix products, in 10⁹ operations a second, and the dtype in which models train.

    The dtype is the one that `helpers.engine.precision.choose_precision` measures to be faster for a large model.
    """
    dtype = choose_precision(torch.nn.Linear(4096, 4096, bias=False))
    rows, inner, columns = 1024, 576, 1536  # a feed-forward layer of SmolLM2-135M, on eight rows of 128 tokens
    timer = Timer(
        "linear(states, weight)",
        globals={
            "linear": torch.nn.functional.linear,
            "states": torch.ones(rows, inner, dtype=dtype),
            "weight": torch.ones(columns, inner, dtype=dtype),
        },
        num_threads=torch.get_num_threads(),
    )
    seconds = min(timer.blocked_autorange(min_run_time=0.2).times)  # the least disturbed by other programs
    return 2 * rows * inner * columns / seconds / 1e9, str(dtype).removeprefix("torch.")


def machine_memory() -> float:
    """Main memory of this machine, in 10⁹ bytes."""
    return psutil.virtual_memory().total / 1e9
