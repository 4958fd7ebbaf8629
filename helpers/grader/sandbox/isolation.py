"""The walls around a student's kernel besides its root: namespaces, rights, Landlock and limits.

`zygote.py` takes a process through these steps; `root.py` builds what it sees of the file system.
"""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import struct
from functools import cache
from pathlib import Path

from helpers.grader.sandbox import root, syscalls
from helpers.grader.sandbox.launch_request import LaunchRequest

MAX_OPEN_FILES = 256  # of each process
MAX_LOCKED_BYTES = 2**20
MAX_TCP_BUFFER_BYTES = 2**18  # of each end of a connection over the loopback interface
TCP_SETTINGS = "/proc/sys/net/ipv4"
_SIOCSIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8914, 0x1, 0x40


def leave_namespaces() -> None:
    """Enter new namespaces for mounts, processes, network, shared memory and host names; for users too, unless root.

    Processes that are started from here on are in the new process namespace. Root enters its user namespace later, in
    `give_up_rights`, since it needs its rights for the mounts.
    """
    flags = syscalls.NEW_MOUNTS | syscalls.NEW_PIDS | syscalls.NEW_NET | syscalls.NEW_IPC | syscalls.NEW_UTS
    user, group = os.geteuid(), os.getegid()
    syscalls.unshare(flags if user == 0 else flags | syscalls.NEW_USER)
    if user != 0:
        _map_user(user, group)
    _bring_up_loopback()
    for name in ("tcp_rmem", "tcp_wmem"):  # least, at first, most
        Path(f"{TCP_SETTINGS}/{name}").write_text(f"4096 65536 {MAX_TCP_BUFFER_BYTES}", encoding="ascii")


def _bring_up_loopback() -> None:
    """Switch on the new network's only interface, which ipykernel uses; it leads nowhere but to the sandbox itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP | _IFF_RUNNING))


def _map_user(user: int, group: int) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path(f"/proc/self/{name}").write_text(text, encoding="ascii")


def give_up_rights(user: int = root.NOBODY) -> None:
    """Become a plain user without capabilities and without a way to gain any: `user` if this one is root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        syscalls.set_dumpable(True)  # otherwise /proc/self would still belong to root
        syscalls.unshare(syscalls.NEW_USER)  # a separate count of processes, and no rights over the other namespaces
        _map_user(user, user)
    # A user namespace inside this one would hand out capabilities again, over a small part of the kernel: forbid it.
    Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")
    syscalls.drop_capabilities()
    syscalls.no_new_privileges()


def limit_resources(request: LaunchRequest) -> None:
    """Set the limits that hold for each process alone; the zygote's supervisor adds up what they use together."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    data_bytes = int(status.split("VmData:")[1].split()[0]) * 1024
    limits = {
        resource.RLIMIT_DATA: data_bytes + request.memory,  # not RLIMIT_AS: torch reserves far more than it uses
        resource.RLIMIT_NPROC: request.processes,
        resource.RLIMIT_FSIZE: request.files,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_CPU: int(request.processor_seconds) + 1,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: MAX_LOCKED_BYTES,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for kind, limit in limits.items():
        hard_limit = resource.getrlimit(kind)[1]
        if hard_limit != resource.RLIM_INFINITY:
            limit = min(limit, hard_limit)
        resource.setrlimit(kind, (limit, limit))


def restrict_files(request: LaunchRequest) -> bool:
    """Repeat with Landlock which files may be read and written; return whether this host has Landlock."""
    if not syscalls.landlock_version():
        return False
    readable = [*root.SYSTEM_FOLDERS, *root.readable_paths(), "/etc", "/proc", "/dev"]
    writable = [request.folder, request.sockets, "/tmp", "/dev/shm", "/dev/pts", *root.DEVICES, *request.devices]
    syscalls.landlock(readable, writable)
    return True


def used_memory() -> int:
    """Return the bytes of memory held by all processes of this process namespace except its first.

    Page tables and what sockets may hold count too. Memory that a fork shares with its parent counts more than once, so
    this figure is quick and never too small.
    """
    return socket_memory() + sum(_resident_memory(process) + _page_tables(process) for process in processes())


def used_memory_exactly() -> int:
    """Return the same from proportional shares, where shared memory counts once; the kernel takes longer for it."""
    return socket_memory() + sum(_proportional_memory(process) + _page_tables(process) for process in processes())


def socket_memory() -> int:
    """Return the bytes that the sockets of this network namespace may hold in their buffers.

    No file tells what they really hold. One that nobody has filled counts as full too, which is little as long as a
    notebook opens some dozens.
    """
    used = Path("/proc/net/sockstat").read_text(encoding="ascii").split("sockets: used ")[1].split()[0]
    return int(used) * _buffer_size()


@cache
def _buffer_size() -> int:
    """Return how many bytes a socket's buffer holds; seccomp keeps a notebook from making one larger."""
    with socket.socket(socket.AF_UNIX) as any_socket:
        return any_socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


def used_processor_seconds() -> float:
    """Return the processor time of all processes of this process namespace except its first.

    It includes that of processes which have ended and whose end their parent has seen.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = sum(_processor_ticks(process) for process in processes())
    return ended.ru_utime + ended.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


class WaitingTime:
    """How long the threads of this process namespace were ready to run while others ran instead, since the start."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}  # nanoseconds by thread, at the last look
        self._total = 0

    def seconds(self) -> float:
        """Return the time so far. What a thread waited between the last look and its end is missing."""
        threads = [f"{process}/task/{thread}" for process in processes() for thread in _names_in(process, "task")]
        fields = {thread: _read(thread, "schedstat").split() for thread in threads}
        now = {thread: int(numbers[1]) for thread, numbers in fields.items() if numbers}  # running, waiting, times
        self._total += sum(max(0, waited - self._seen.get(thread, 0)) for thread, waited in now.items())
        self._seen = now
        return self._total / 1e9


def processes() -> list[str]:
    """Return the process ids in this process namespace except the first, as text."""
    return [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def _resident_memory(process: str) -> int:
    return _sum_of_kibibytes(_read(process, "status"), ("RssAnon:", "RssShmem:", "VmSwap:"))


def _page_tables(process: str) -> int:
    return _sum_of_kibibytes(_read(process, "status"), ("VmPTE:",))


def _proportional_memory(process: str) -> int:
    """Return a process's memory from its proportional shares, or in full if it hides them, as every process can."""
    text = _read(process, "smaps_rollup")
    return _sum_of_kibibytes(text, ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")) if text else _resident_memory(process)


def _processor_ticks(process: str) -> int:
    """Return utime, stime, cutime and cstime of a process, in the kernel's ticks (proc_pid_stat(5))."""
    fields = _read(process, "stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))


def _read(process: str, name: str) -> str:
    """Return the text of a file in /proc, "" if the process has just ended or hides it."""
    try:
        return Path(f"/proc/{process}/{name}").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _names_in(process: str, name: str) -> list[str]:
    """Return the names in a folder in /proc, none if the process has just ended."""
    try:
        return os.listdir(f"/proc/{process}/{name}")
    except OSError:
        return []


def _sum_of_kibibytes(text: str, fields: tuple[str, ...]) -> int:
    """Add up fields of a file in /proc, which gives them in KiB; return bytes."""
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(fields))
