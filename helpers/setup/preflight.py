"""What a tier downloads, what it needs and how long it takes, and what is still missing, before a run starts.

    preflight()     a table of facts, and the problems to solve first

Nothing here downloads anything.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import torch
from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

from helpers.engine.precision import choose_precision
from helpers.fetch import DOWNLOAD_MB, KEPT_MB, WORKING_MB, free_mb, is_fetched, laptop_folder, missing_packages
from helpers.models import HUB, is_here, model_source
from helpers.tiers import Tier, tier_of

HUB_MB = {HUB["teacher"]: 1_520, HUB["student"]: 353}
LAPTOP_TERAFLOP = 320  # of both labs: two students trained for 240 steps (one with its teacher), three models measured
SHARE_OF_RATE = 0.5  # of the rate of products alone; the rest goes into attention, norms and the optimizer


@dataclass(frozen=True)
class Preflight:
    """What a tier needs and what of it is missing; shows itself in a notebook and in plain Python."""

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
    """What the tier downloads, needs and takes, what is there, and what is missing. Downloads nothing.

    In the laptop tier, the product of two matrices is timed (half a second) to say how long the labs take here.
    Raises ValueError for a tier that there is not.
    """
    chosen = tier_of(tier)
    facts = {"teacher": chosen.teacher, "student": chosen.student, "text": chosen.text}
    problems = []
    if chosen.name == "tiny":
        facts["download"] = "nothing"
    elif chosen.name == "laptop":
        problems += _laptop_download(facts)
    else:
        problems += _hub_downloads(facts)
    if chosen.name == "gpu":
        problems += _gpu(chosen, facts)
    else:
        memory, minutes = machine_memory(), chosen.minutes
        facts["memory"] = f"about {chosen.memory_gb:g} GB" + (f" of {memory:.0f} GB here" if memory else "")
        if memory is not None and memory < chosen.memory_gb:
            problems.append(f"memory: this machine has {memory:.1f} GB, the tier needs about {chosen.memory_gb:g} GB")
        facts["time"] = f"about {minutes:g} minutes for labs 03 and 04 on two cores"
        if chosen.name == "laptop":
            rate, dtype = product_rate()
            minutes = LAPTOP_TERAFLOP / (rate * SHARE_OF_RATE) / 60 * 1e3
            facts["time"] = (
                f"about {minutes:.0f} minutes for labs 03 and 04, at the {rate:.0f} GFLOP/s measured just now"
            )
            facts["precision"] = f"{dtype}, the faster one of bfloat16 and float32 on this processor"
    facts["training"] = (
        f"{chosen.steps} steps of {chosen.batch_size} rows of {chosen.length} tokens, "
        f"learning rate {chosen.learning_rate:g}, T = {chosen.temperature:g}, α = {chosen.alpha:g}"
    )
    return Preflight(chosen, facts, problems)


def _laptop_download(facts: dict[str, str]) -> list[str]:
    """Add what the laptop tier downloads, and return what is missing for it."""
    source = model_source("laptop", "teacher")
    if source != str(laptop_folder()):
        facts["download"] = f"nothing: DISTILLAB_TEACHER names {source}"
        return [] if Path(source).is_dir() else [f"teacher: there is no folder {source}; see DISTILLAB_TEACHER"]
    if is_fetched():
        facts["download"] = f"nothing: the teacher is in {source}"
        return []
    facts["download"] = f"{DOWNLOAD_MB} MB once, by `distillab fetch laptop`; nothing before you run it"
    facts["disk"] = f"{KEPT_MB} MB, {WORKING_MB} MB meanwhile; {free_mb(laptop_folder()):,.0f} MB are free"
    problems = ["teacher: run `distillab fetch laptop`"]
    if packages := missing_packages():
        problems.append(f"packages: {', '.join(packages)}; run: pip install 'distillab[laptop]'")
    if free_mb(laptop_folder()) < WORKING_MB:
        problems.append(f"disk: {WORKING_MB} MB are needed in {laptop_folder().parent}")
    return problems


def _hub_downloads(facts: dict[str, str]) -> list[str]:
    """Add what the gpu tier downloads when its models are loaded first, and return what cannot be had."""
    here, missing, problems = [], [], []
    for role in ("teacher", "student"):
        source = model_source("gpu", role)
        if is_here(source):
            here.append(source)
        else:
            missing.append(f"{source} ({HUB_MB[source]:,} MB)" if source in HUB_MB else source)
    if not missing:
        facts["download"] = "nothing: " + " and ".join(here) + " are here; the text comes from the hub, 8 MB"
        return problems
    facts["download"] = "from the hub, when you load them first: " + ", ".join(missing) + "; and the text, 8 MB"
    if HF_HUB_OFFLINE:
        problems.append("download: HF_HUB_OFFLINE is set, so nothing comes from the hub; name local folders instead")
    elif not _reaches_hub():
        problems.append(
            "download: the hub (huggingface.co) cannot be reached; name local folders in DISTILLAB_TEACHER and "
            "DISTILLAB_STUDENT"
        )
    return problems


def _gpu(chosen: Tier, facts: dict[str, str]) -> list[str]:
    """Add what the gpu tier needs of a GPU, and return what is missing."""
    facts["memory"] = f"about {chosen.memory_gb:g} GB of GPU memory (reckoned from the models' sizes)"
    facts["time"] = f"about {chosen.minutes:g} minutes for labs 03 and 04 on one GPU (reckoned)"
    if not torch.cuda.is_available():
        return ["GPU: PyTorch finds none (CUDA); take the tier tiny or laptop, or a machine with a GPU"]
    free, total = (size / 1e9 for size in torch.cuda.mem_get_info())
    facts["GPU"] = f"{torch.cuda.get_device_name()}, {free:.1f} of {total:.1f} GB free"
    if free < chosen.memory_gb:
        return [f"GPU memory: {free:.1f} GB are free, the tier needs about {chosen.memory_gb:g} GB"]
    return []


def _reaches_hub() -> bool:
    """Whether a connection to the hub opens within three seconds."""
    address = urlsplit(ENDPOINT)
    try:
        with socket.create_connection((address.hostname, address.port or 443), timeout=3):
            return True
    except OSError:
        return False


def product_rate() -> tuple[float, str]:
    """The rate of this processor's matrix products in 10⁹ operations a second, and the dtype that training uses.

    The dtype is what `helpers.engine.precision.choose_precision` measures to be faster for a model of that size.
    """
    dtype = choose_precision(torch.nn.Linear(4096, 4096, bias=False))
    rows, weight = torch.ones(1024, 576, dtype=dtype), torch.ones(1536, 576, dtype=dtype)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        torch.nn.functional.linear(rows, weight)
        seconds.append(time.perf_counter() - began)
    return 2 * 1024 * 576 * 1536 / min(seconds) / 1e9, str(dtype).removeprefix("torch.")


def machine_memory() -> float | None:
    """Main memory of this machine in 10⁹ bytes, or None where the system does not say (Windows)."""
    if not hasattr(os, "sysconf") or not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys():
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
