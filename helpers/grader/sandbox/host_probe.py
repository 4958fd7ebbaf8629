"""Tries out which protections this host offers, for `doctor.py`, which starts it as a separate process.

    python -m helpers.grader.sandbox.host_probe EMPTY_FOLDER

It runs on Linux only and prints a list of `Protection`s as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from helpers.grader.sandbox import isolation, syscalls
from helpers.grader.sandbox.control_group import ControlGroups
from helpers.grader.sandbox.doctor import CONSEQUENCES, REQUIRED, Protection
from helpers.grader.sandbox.launch_request import LaunchRequest
from helpers.grader.sandbox.root import build_root, enter_root

MAX_ERROR_BYTES = 4000


def _try_in_child(step: Callable[[], object]) -> str:
    """Run a step in a forked process; return "" if it succeeds, else the error."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        error_text = ""
        try:
            step()
        except BaseException as error:
            error_text = str(error) or traceback.format_exc(limit=-1)
        os.write(writer, error_text.encode()[:MAX_ERROR_BYTES])
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        return pipe.read()


def _build_sandbox(folder: str) -> None:
    """Build a sandbox, enter it, and check from inside that nothing of the host is visible. Raises OSError."""
    for name in ("root", "folder", "sockets", "hidden"):
        os.makedirs(f"{folder}/{name}")
    request = LaunchRequest(f"{folder}/folder", f"{folder}/sockets", [], {}, files=2**20)
    isolation.leave_namespaces()
    build_root(request, f"{folder}/root")

    def enter() -> None:
        enter_root(f"{folder}/root")
        os.chdir(request.folder)
        isolation.give_up_rights()
        isolation.limit_resources(request)
        if os.geteuid() == 0 or isolation.processes() or os.path.exists(f"{folder}/hidden"):
            raise OSError("the sandbox shows more of the host than it should")

    if error := _try_in_child(enter):
        raise OSError(error)


def _refuse_calls() -> None:
    if not syscalls.refuse_dangerous_calls():
        raise OSError(f"not set up for the calls of {os.uname().machine}")
    try:
        os.memfd_create("refused")
    except PermissionError:
        return
    raise OSError("the kernel does not refuse them")


def try_all(folder: str) -> list[Protection]:
    """Try every protection of this host, with an empty folder for the sandbox."""
    is_root = os.geteuid() == 0
    namespaces = {
        "process namespaces": syscalls.NEW_PIDS,
        "mount namespaces": syscalls.NEW_MOUNTS,
        "network namespaces": syscalls.NEW_NET,
        "IPC namespaces": syscalls.NEW_IPC,
    }
    errors = {"user namespaces": _try_in_child(partial(syscalls.unshare, syscalls.NEW_USER))}
    for name, flag in namespaces.items():
        errors[name] = _try_in_child(partial(syscalls.unshare, flag if is_root else flag | syscalls.NEW_USER))
    errors["the whole sandbox"] = _try_in_child(partial(_build_sandbox, folder))
    landlock = syscalls.landlock_version()
    errors["Landlock"] = "" if landlock else "this kernel does not have it, or it is switched off"
    grader = os.getppid()
    errors["control groups"] = _try_in_child(lambda: ControlGroups(grader).close())
    errors["seccomp"] = _try_in_child(_refuse_calls)
    errors["a user other than root"] = "you are root" if is_root else ""
    errors["GPU"] = "" if os.path.exists("/dev/nvidiactl") else "no NVIDIA device found"
    details = {"Landlock": f"version {landlock}"} if landlock else {}
    return [
        Protection(name, not error, name in REQUIRED, CONSEQUENCES[name], error or details.get(name, ""))
        for name, error in errors.items()
    ]


if __name__ == "__main__":
    print(json.dumps([asdict(protection) for protection in try_all(sys.argv[1])]))
