"""Which protections this host offers for running students' code, and what it means when one is missing.

Each protection is really tried out, in a short-lived process. `distillab doctor` prints the outcome; grading asks
`isolates()` and refuses if the sandbox cannot be built.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache

from helpers.grader.errors import GraderError


@dataclass(frozen=True)
class Protection:
    """One protection: whether this host has it, whether grading requires it, and what happens without it."""

    name: str
    works: bool
    required: bool
    consequence: str
    detail: str = ""


PROBE_SECONDS = 60
CONSEQUENCES = {
    "user namespaces": "a plain user cannot build a sandbox; if Linux denies user namespaces to users, an "
    "administrator can allow them (sysctl kernel.unprivileged_userns_clone=1, "
    "kernel.apparmor_restrict_unprivileged_userns=0)",
    "process namespaces": "a process that a notebook leaves running would outlive grading and could change marks",
    "mount namespaces": "a notebook could read the course, other students' work and the gradebook",
    "network namespaces": "a notebook could send data out or fetch answers",
    "IPC namespaces": "a notebook could access shared memory of other programs",
    "the whole sandbox": "students' code cannot be isolated here; grade on Linux 5.12 or newer, in a container that "
    "allows namespaces, or with --unsafe if you trust every notebook",
    "Landlock": "files are protected by the sandbox's small root alone; grading continues, as nothing else is visible",
    "seccomp": "a notebook could use memory that no limit counts, until the computer has none left, and system calls "
    "that attacks on the kernel are built from",
    "control groups": "the grader counts memory ten times a second, so a notebook may hold more than its limit for a "
    "moment; for a limit that Linux itself keeps, start the grader in a group of its own: systemd-run --user --scope "
    "-p Delegate=yes distillab grade … (as root without --user)",
    "a user other than root": "the grader itself has full rights; the notebooks run as the user nobody",
    "GPU": "labs run on the CPU; no kernel sees a GPU unless it is named distillab-sandbox-gpu",
}
REQUIRED = ("process namespaces", "mount namespaces", "network namespaces", "IPC namespaces", "the whole sandbox")


@cache
def protections() -> tuple[Protection, ...]:
    """Return the protections of this host, tried out once per process. Only Linux has any.

    Raises:
        GraderError: The process that tries them failed.
    """
    if sys.platform != "linux":
        return tuple(
            Protection(name, False, name in REQUIRED, text, f"this is {sys.platform}; the sandbox needs Linux")
            for name, text in CONSEQUENCES.items()
        )
    with tempfile.TemporaryDirectory(prefix="distillab-doctor-") as folder:
        command = [sys.executable, "-m", "helpers.grader.sandbox.host_probe", folder]
        probe = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS)
    if probe.returncode != 0:
        raise GraderError(f"The host's protections could not be tried out: {probe.stderr.strip()[-500:]}")
    return tuple(Protection(**item) for item in json.loads(probe.stdout))


def isolates() -> bool:
    """Return whether this host can isolate students' code."""
    return all(protection.works for protection in protections() if protection.required)


def require_isolation() -> None:
    """Raise GraderError, naming what is missing, if this host cannot isolate students' code."""
    missing = [protection for protection in protections() if protection.required and not protection.works]
    if missing:
        names = "; ".join(f"{protection.name} ({protection.detail})" for protection in missing)
        raise GraderError(
            f"This host cannot isolate students' code: {names}. See: distillab doctor. "
            "Grade on another host, or with --unsafe if you trust every notebook."
        )


def report() -> str:
    """Return the protections of this host as text for people."""
    lines = []
    for protection in protections():
        mark = "yes" if protection.works else "NO " if protection.required else "no "
        lines.append(f"{mark}  {protection.name}")
        if protection.detail:
            lines.append(f"     {protection.detail}")
        if not protection.works:
            lines.append(f"     Without it: {protection.consequence}.")
    verdict = (
        "Notebooks are graded in a sandbox."
        if isolates()
        else "Grading refuses to run here without --unsafe, which runs notebooks with your own rights."
    )
    return "\n".join([*lines, "", verdict])
