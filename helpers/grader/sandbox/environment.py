"""The environment variables of a student's kernel."""

from __future__ import annotations

import os
from pathlib import Path

INHERITED_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


def clean_environment(folder: str | Path, extra: dict[str, str] | None = None) -> dict[str, str]:
    """Return the variables that a student's kernel sees: a few of the grader's own, no secrets, no access to a hub.

    Args:
        folder: The kernel's working folder, which is also its home.
        extra: Further variables to pass on.
    """
    inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    return (
        inherited
        | (extra or {})
        | {
            # Several kernels share the machine, and threads that wait for each other slow all of them down. A single
            # thread also adds numbers up in the same order on every machine.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "HOME": str(folder),
            "IPYTHONDIR": f"{folder}/.ipython",
            "MPLCONFIGDIR": f"{folder}/.matplotlib",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "HF_HUB_OFFLINE": "1",
            "DISTILLAB_TIER": "tiny",
            "NBGRADER_EXECUTION": "autograde",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "TOKENIZERS_PARALLELISM": "false",
        }
    )
