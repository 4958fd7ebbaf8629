"""The names of the kernels that run students' code, and the kernelspecs through which Jupyter finds them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from helpers.grader.errors import GraderError

SANDBOX_KERNEL = "distillab-sandbox"  # forked from the zygote; also the provisioner's name
GPU_KERNEL = "distillab-sandbox-gpu"  # a fresh Python in the same sandbox, which may use the GPU
UNSAFE_KERNEL = "python3"  # a plain process with the grader's rights


def install_kernels() -> None:
    """Write the kernelspecs of the two sandboxed kernels into this environment, unless they are up to date.

    Raises:
        GraderError: The environment cannot be written to.
    """
    for name, cold in ((SANDBOX_KERNEL, False), (GPU_KERNEL, True)):
        spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": f"Distillab's sandbox{' with GPU' if cold else ''}",
            "language": "python",
            "metadata": {"kernel_provisioner": {"provisioner_name": SANDBOX_KERNEL, "config": {"cold": cold}}},
        }
        text = json.dumps(spec, indent=1) + "\n"
        path = Path(sys.prefix) / "share" / "jupyter" / "kernels" / name / "kernel.json"
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise GraderError(
                f"The kernel {name} could not be written into this environment ({error}). "
                "Run distillab doctor once as the environment's owner."
            ) from None
