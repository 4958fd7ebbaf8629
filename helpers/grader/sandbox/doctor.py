"""Which protections this host offers for running students' code, and what the missing ones mean.

Each is tried for real, in a process of its own that ends at once. `distillab doctor` prints the outcome; grading asks
`isolates()` and refuses where the sandbox cannot be built.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache

from helpers.grader.errors import GraderError
from helpers.grader.sandbox.launch_request import LaunchRequest


@dataclass(frozen=True)
class Protection:
    """One protection: whether this host has it, whether grading needs it, and what its absence means."""

    name: str
    works: bool
    needed: bool
    means: str
    detail: str = ""


MEANS = {
    "user namespaces": "a plain user cannot build a sandbox; where Linux forbids them to users, an administrator can "
    "allow them (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)",
    "process namespaces": "a process that a notebook leaves behind would go on after grading and could touch marks",
    "mount namespaces": "a notebook could read the course, other students' work and the gradebook",
    "network namespaces": "a notebook could send data out or fetch answers",
    "IPC namespaces": "a notebook could reach shared memory of other programs",
    "the whole sandbox": "students' code cannot be locked in here; grade on Linux 5.12 or newer, in a container that "
    "allows namespaces, or with --unsafe if you trust every notebook",
    "Landlock": "files are guarded by the small root alone; nothing more is visible there, so grading goes on",
    "seccomp": "a notebook could take memory that no limit counts, until the computer has none left",
    "a user other than root": "the grader itself has every right; the notebooks run as the user nobody",
    "GPU": "labs run on the CPU; no kernel sees a GPU unless it is named distillab-sandbox-gpu",
}
NEEDED = ("process namespaces", "mount namespaces", "network namespaces", "IPC namespaces", "the whole sandbox")


@cache
def protections() -> tuple[Protection, ...]:
    """Return what this host offers, tried once a process; everything is missing elsewhere than on Linux."""
    if sys.platform != "linux":
        return tuple(
            Protection(name, False, name in NEEDED, means, f"this is {sys.platform}; the sandbox needs Linux")
            for name, means in MEANS.items()
        )
    with tempfile.TemporaryDirectory(prefix="distillab-doctor-") as folder:
        command = [sys.executable, "-m", "helpers.grader.sandbox.doctor", folder]
        tried = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if tried.returncode != 0:
        raise GraderError(f"The host's protections could not be tried: {tried.stderr.strip()[-500:]}")
    return tuple(Protection(**item) for item in json.loads(tried.stdout))


def isolates() -> bool:
    """Say whether students' code can be locked in on this host."""
    return all(item.works for item in protections() if item.needed)


def require_isolation() -> None:
    """Raise GraderError, which says what is missing, where students' code cannot be locked in."""
    missing = [item for item in protections() if item.needed and not item.works]
    if missing:
        lacking = "; ".join(f"{item.name} ({item.detail})" for item in missing)
        raise GraderError(
            f"This host cannot lock students' code in: {lacking}. See: distillab doctor. "
            "Grade elsewhere, or with --unsafe if you trust every notebook."
        )


def report() -> str:
    """Return the outcome as text for people."""
    lines = []
    for item in protections():
        lines.append(f"{'yes' if item.works else 'NO ' if item.needed else 'no '}  {item.name}")
        if item.detail:
            lines.append(f"     {item.detail}")
        if not item.works:
            lines.append(f"     Without it: {item.means}.")
    verdict = (
        "Notebooks are graded in a sandbox."
        if isolates()
        else "Grading refuses here, unless it is told --unsafe: notebooks then run with your own rights."
    )
    return "\n".join([*lines, "", verdict])


def _tried(step: Callable[[], None]) -> str:
    """Run a step in a process of its own; return "" where it went well, else the error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        problem = ""
        try:
            step()
        except BaseException as error:
            problem = str(error) or traceback.format_exc(limit=-1)
        os.write(writing, problem.encode()[:4000])
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        return pipe.read()


def _rehearse(folder: str) -> None:
    """Build a sandbox, enter it and check from inside that nothing of the host is left."""
    from helpers.grader.sandbox import isolation

    for name in ("root", "folder", "sockets", "hidden"):
        os.makedirs(f"{folder}/{name}")
    order = LaunchRequest(f"{folder}/folder", f"{folder}/sockets", [], {}, files=2**20)
    isolation.leave_namespaces()
    isolation.build_root(order, f"{folder}/root")
    first = _tried_inside(order, f"{folder}/root")
    if first:
        raise OSError(first)


def _tried_inside(order: LaunchRequest, root: str) -> str:
    from helpers.grader.sandbox import isolation

    def inside() -> None:
        isolation.enter_root(root)
        os.chdir(order.folder)
        isolation.give_up_rights()
        isolation.limit_resources(order)
        if os.geteuid() == 0 or isolation.processes() or os.path.exists(f"{os.path.dirname(root)}/hidden"):
            raise OSError("the sandbox shows more of the host than it should")

    return _tried(inside)


def _refuse_memory() -> None:
    from helpers.grader.sandbox import syscalls

    if not syscalls.refuse_uncounted_memory():
        raise OSError(f"not set up for the calls of {os.uname().machine}")
    try:
        os.memfd_create("refused")
    except PermissionError:
        return
    raise OSError("the kernel does not refuse them")


def _try_all(folder: str) -> list[Protection]:
    from helpers.grader.sandbox import syscalls

    root = os.geteuid() == 0
    users = _tried(lambda: syscalls.unshare(syscalls.NEW_USER))
    found = {"user namespaces": users}
    kinds = {
        "process namespaces": syscalls.NEW_PIDS,
        "mount namespaces": syscalls.NEW_MOUNTS,
        "network namespaces": syscalls.NEW_NET,
        "IPC namespaces": syscalls.NEW_IPC,
    }
    for name, flag in kinds.items():
        found[name] = _tried(lambda flag=flag: syscalls.unshare(flag if root else flag | syscalls.NEW_USER))
    found["the whole sandbox"] = _tried(lambda: _rehearse(folder))
    version = syscalls.landlock_version()
    found["Landlock"] = "" if version else "this kernel does not have it, or has it switched off"
    found["seccomp"] = _tried(_refuse_memory)
    found["a user other than root"] = "you are root" if root else ""
    found["GPU"] = "" if os.path.exists("/dev/nvidiactl") else "no NVIDIA device found"
    details = {"Landlock": f"version {version}"} if version else {}
    return [
        Protection(name, not problem, name in NEEDED, MEANS[name], problem or details.get(name, ""))
        for name, problem in found.items()
    ]


if __name__ == "__main__":
    print(json.dumps([asdict(item) for item in _try_all(sys.argv[1])]))
