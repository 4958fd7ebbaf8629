"""The request that asks the zygote for one kernel."""

from __future__ import annotations

from dataclasses import dataclass, field

ZYGOTE_SOCKET = "zygote"  # file name, in the zygote's folder, of the socket that accepts launch requests


@dataclass(frozen=True)
class LaunchRequest:
    """What one kernel gets. Sizes are in bytes, times in seconds; `devices` are paths to show besides the usual."""

    folder: str  # the working folder: its files are copied into the sandbox, at the same path
    sockets: str  # the folder of the connection file; in the sandbox, the kernel's sockets are at the same path
    argv: list[str]  # arguments for ipykernel
    environment: dict[str, str]
    memory: int = 4 * 2**30  # all processes of the kernel together
    processes: int = 256  # threads count as well
    files: int = 512 * 2**20  # everything in its folder, /tmp and /dev/shm together
    seconds: float = 900.0
    processor_seconds: float = 900.0  # all processes of the kernel together
    cold: bool = False  # start a fresh Python, which a GPU needs: CUDA does not survive a fork
    wire: bool = False  # give the grader a wire to a relay (see `relay.py`) in place of the folder of the sockets
    devices: list[str] = field(default_factory=list)
