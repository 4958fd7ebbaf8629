"""What several commands share: an option, the check of an extra, one line for an error or for a step."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

RESUMABLE = "stopped; run the same command again to continue"


def add_course(command: argparse.ArgumentParser) -> None:
    """Add the option `--course`."""
    command.add_argument(
        "--course", type=Path, default=Path("."), metavar="DIR", help="folder that contains labs/ and solutions/"
    )


def positive(text: str) -> int:
    """Return a whole number of at least 1 from the command line. Raises ArgumentTypeError."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def one_thread() -> None:
    """Let torch compute in one thread, unless the user has chosen otherwise. Call it before torch is imported.

    Reference answers are tiny: more threads would mostly wait for each other, which takes processor time as well.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def missing_extra(extra: str, *packages: str) -> str:
    """Return one line on which of an extra's packages are not installed; "" if all are."""
    missing = ", ".join(name for name in packages if find_spec(name) is None)
    return f"this needs {missing} from the extra “{extra}”: pip install 'distillab[{extra}]'" if missing else ""


def fail(message: str, status: int = 1) -> int:
    """Print an error in one line on standard error, and return the exit status."""
    print(f"distillab: {message}", file=sys.stderr)
    return status


def announce(step: str) -> None:
    """Say on standard error what a command is doing now."""
    print(f"{step} …", file=sys.stderr, flush=True)
