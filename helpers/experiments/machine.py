"""The machine that a figure was measured on, and the function that writes results."""

import json
import os
import platform
from pathlib import Path

import torch
import transformers

from helpers.atomic import write_text

VECTOR_UNITS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # as /proc/cpuinfo names them; these decide the speed


def describe_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict:
    """Return what a figure depends on besides the code: cores, threads, processor, its vector units, versions.

    The processor is described as Linux knows it: vendor ("GenuineIntel", "AuthenticAMD"), family and model number,
    which tell two processors apart even where a virtual machine hides the full name, and which of `VECTOR_UNITS` it
    has. Elsewhere only the kind of processor is known.
    """
    described = {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        **_processor(cpuinfo),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name()
    return described


def _processor(cpuinfo: Path) -> dict:
    """Return what /proc/cpuinfo says of the first core; nothing on systems without it."""
    if not cpuinfo.exists():
        return {}
    first_core = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    facts = {
        name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first_core.splitlines())
    }
    flags = facts.get("flags", "").split()
    return {
        "vendor": facts.get("vendor_id", "unknown"),
        "model": facts.get("model name", "unknown"),
        "family_and_model": f"{facts.get('cpu family', '?')}/{facts.get('model', '?')}",
        "units": [unit for unit in VECTOR_UNITS if unit in flags],
    }


def write_result(name: str, result: dict, folder: Path = Path("results")) -> None:
    """Write `folder/name.json`."""
    write_text(folder / f"{name}.json", json.dumps(result, indent=2) + "\n")
