"""What is asked of the zygote for one kernel."""

from __future__ import annotations

from dataclasses import dataclass, field

SOCKET = "zygote"  # the socket on which orders arrive, in the zygote's folder


@dataclass(frozen=True)
class LaunchRequest:
    """What one kernel gets. Sizes are bytes, times seconds; `devices` are paths to show beside the usual ones."""

    folder: str  # its working folder, whose files are copied in; what it writes there is gone at the end
    sockets: str  # where its connection file lies, and at the same place in the sandbox its sockets
    argv: list[str]  # arguments for ipykernel
    environment: dict[str, str]
    memory: int = 4 * 2**30  # of all its processes together
    processes: int = 256  # threads count, too
    files: int = 512 * 2**20  # everything in its folder, /tmp and /dev/shm together
    seconds: float = 900.0
    cold: bool = False  # start Python afresh, as a GPU needs: CUDA does not survive a fork
    devices: list[str] = field(default_factory=list)
