"""A small world for one student's kernel: what it sees, what it may use up, and who it is.

The world is a root of its own, made of a file system in memory with a quota and read-only views of Python and its
libraries; nothing of the course, of other students or of the grader is in it. Namespaces of its own hide the network,
other processes and shared memory; Landlock says the same again about files; a plain user without capabilities owns it.
`zygote.py` leads a process through these steps.
"""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import site
import socket
import struct
import sys
from pathlib import Path

from helpers.grader.sandbox import syscalls
from helpers.grader.sandbox.launch_request import LaunchRequest
from helpers.paths import PACKAGE

NOBODY = 65534
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32")
SETTINGS = ("alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "ssl")
DEVICES = ("null", "zero", "full", "random", "urandom")
PASSWD = "root:x:0:0::/:/usr/sbin/nologin\nstudent:x:{0}:{0}::/tmp:/bin/sh\n"


def readable_paths() -> list[str]:
    """Return what Python, its libraries and the labs are read from; `helpers` alone of this project."""
    places = [sys.base_prefix, sys.prefix, str(PACKAGE)]
    if site.ENABLE_USER_SITE:
        places += [path for path in sys.path if path == site.getusersitepackages()]
    places = list(dict.fromkeys(os.path.realpath(path) for path in places) | dict.fromkeys(places))
    covered = [
        path for path in places if not any(_inside(path, other) for other in (*SYSTEM, *places) if other != path)
    ]
    return [path for path in covered if path != "/" and os.path.exists(path)]


def _inside(path: str, other: str) -> bool:
    return path == other or path.startswith(other.rstrip("/") + "/")


def leave_namespaces() -> None:
    """Enter new namespaces for mounts, processes, network, shared memory and names, and as a plain user for users.

    Processes that are started from here on are in the new process namespace. A user's own namespace comes later for
    root, who needs its rights for the mounts; see `give_up_rights`.
    """
    flags = syscalls.NEW_MOUNTS | syscalls.NEW_PIDS | syscalls.NEW_NET | syscalls.NEW_IPC | syscalls.NEW_UTS
    user, group = os.geteuid(), os.getegid()
    syscalls.unshare(flags if user == 0 else flags | syscalls.NEW_USER)
    if user != 0:
        _map_user(user, group)
    _raise_loopback()


def _raise_loopback() -> None:
    """Switch the new network's one interface on, which leads nowhere but to the sandbox itself: ipykernel uses it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        set_flags, up_and_running = 0x8914, 0x1 | 0x40  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sH14x", b"lo", up_and_running))


def _map_user(user: int, group: int) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path(f"/proc/self/{name}").write_text(text, encoding="ascii")


def build_root(order: LaunchRequest, root: str) -> None:
    """Put the new root together under the folder `root`, which is empty and stays so for everybody else."""
    owner = NOBODY if os.geteuid() == 0 else os.geteuid()
    syscalls.mount("none", "/", flags=syscalls.RECURSIVE | syscalls.PRIVATE)
    plain = syscalls.NOSUID | syscalls.NODEV
    syscalls.mount("tmpfs", root, "tmpfs", plain, "size=4m,mode=755")
    writable = f"{root}/writable"
    os.makedirs(writable)
    syscalls.mount("tmpfs", writable, "tmpfs", plain, f"size={order.files},mode=755")
    for name, target in (("tmp", "/tmp"), ("shared", "/dev/shm"), ("folder", order.folder)):
        source = f"{writable}/{name}"
        if name == "folder":
            shutil.copytree(order.folder, source, symlinks=True)
        else:
            os.makedirs(source)
        for path in [
            source,
            *(os.path.join(top, item) for top, dirs, files in os.walk(source) for item in dirs + files),
        ]:
            os.chown(path, owner, owner if os.geteuid() == 0 else -1)
        os.chmod(source, 0o700 if name == "folder" else 0o1777)
        os.makedirs(root + target, exist_ok=True)
        syscalls.mount(source, root + target, flags=syscalls.BIND)
    syscalls.detach(writable)
    os.rmdir(writable)
    for path in SYSTEM:
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
        elif os.path.isdir(path):
            _show(path, root)
    for path in readable_paths():
        _show(path, root)
    for name in SETTINGS:
        if os.path.exists(f"/etc/{name}"):
            _show(f"/etc/{name}", root)
    for name, text in (("passwd", PASSWD.format(owner)), ("hosts", "127.0.0.1 localhost\n")):
        _write(f"{root}/etc/{name}", text)
    for path in [*(f"/dev/{name}" for name in DEVICES), *order.devices]:
        _show(path, root, read_only=False)
    os.symlink("/proc/self/fd", f"{root}/dev/fd")
    os.makedirs(f"{root}/dev/pts")  # a cell that starts with ! runs its command in a terminal
    syscalls.mount("devpts", f"{root}/dev/pts", "devpts", syscalls.NOSUID, "newinstance,ptmxmode=0666,mode=620")
    os.symlink("pts/ptmx", f"{root}/dev/ptmx")
    os.makedirs(f"{root}/proc")

    sockets = root + order.sockets  # a file system of its own: a folder of the host could be filled from here
    os.makedirs(sockets, exist_ok=True)
    syscalls.mount("tmpfs", sockets, "tmpfs", plain, "size=1m,nr_inodes=64,mode=700")
    for name in os.listdir(order.sockets):
        shutil.copy(os.path.join(order.sockets, name), sockets)
    for path in [sockets, *(os.path.join(sockets, name) for name in os.listdir(sockets))]:
        os.chown(path, owner, owner if os.geteuid() == 0 else -1)
    syscalls.make_read_only(root, recursive=False)


def _show(path: str, root: str, read_only: bool = True) -> None:
    """Show a file or folder of the host under the new root, at the same place."""
    target = root + path
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        _write(target, "")
    syscalls.mount(os.path.realpath(path), target, flags=syscalls.BIND | syscalls.RECURSIVE)
    if read_only:
        syscalls.make_read_only(target)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def enter_root(root: str) -> None:
    """Move into the new root, from the first process of the new process namespace, which alone can show /proc."""
    syscalls.mount("proc", f"{root}/proc", "proc", syscalls.NOSUID | syscalls.NODEV | 0x8)
    syscalls.change_root(root)


def give_up_rights() -> None:
    """Become a plain user without capabilities and without a way to get any."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        syscalls.set_dumpable(True)  # or /proc/self would still belong to root
        syscalls.unshare(syscalls.NEW_USER)  # its own count of processes, and no rights over the other namespaces
        _map_user(NOBODY, NOBODY)
    # A namespace inside this one would hand out capabilities again, over a small part of the kernel: not needed here.
    Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")
    syscalls.drop_capabilities()
    syscalls.no_new_privileges()


def limit_resources(order: LaunchRequest) -> None:
    """Set the limits that hold for every process by itself; `zygote.watch` looks at what they use together."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    held = int(status.split("VmData:")[1].split()[0]) * 1024
    limits = {
        resource.RLIMIT_DATA: held + order.memory,  # not RLIMIT_AS: torch reserves far more than it uses
        resource.RLIMIT_NPROC: order.processes,
        resource.RLIMIT_FSIZE: order.files,
        resource.RLIMIT_NOFILE: 1024,
        resource.RLIMIT_CPU: int(order.seconds * max(1, os.cpu_count() or 1)) + 1,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 2**20,
    }
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def lock_files(order: LaunchRequest) -> bool:
    """Say once more which files may be read and written, with Landlock; return whether this host has it."""
    if not syscalls.landlock_version():
        return False
    readable = [*SYSTEM, *readable_paths(), "/etc", "/proc", "/dev"]
    devices = [f"/dev/{name}" for name in DEVICES]
    syscalls.landlock(readable, [order.folder, order.sockets, "/tmp", "/dev/shm", "/dev/pts", *devices, *order.devices])
    return True


def used_memory() -> int:
    """Return the bytes that all processes of this process namespace but its first hold together.

    What a fork shares with its parent counts once: the exact figure is asked for only where the quick one is large.
    """
    return sum(_status(process) for process in processes())


def used_memory_exactly() -> int:
    """Return the same by proportional shares, which takes longer to ask for."""
    total = 0
    for process in processes():
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue  # it ended in between, or has no memory any more
        for line in text.splitlines():
            if line.startswith(("Pss_Anon:", "Pss_Shmem:", "SwapPss:")):
                total += int(line.split()[1]) * 1024
    return total


def processes() -> list[str]:
    """Return the processes of this namespace but its first, as texts."""
    return [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def _status(process: str) -> int:
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0  # it ended in between
    kept = ("RssAnon:", "RssShmem:", "VmSwap:")
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(kept))
