"""Sandboxed kernels for Jupyter: the kernel provisioner `distillab-sandbox`, and the kernel names that ask for it.

A kernel named `distillab-sandbox` is forked from a zygote (see `zygote.py`) into a sandbox; one named
`distillab-sandbox-gpu` starts in the same sandbox from a fresh Python and may use the GPU. Whatever starts Jupyter
kernels can use them by name, unmodified `nbgrader autograde` too.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Bool, Float, Integer

from helpers.grader.errors import GraderError
from helpers.grader.sandbox.launch_request import SOCKET, LaunchRequest

KERNEL, GPU_KERNEL, UNSAFE_KERNEL = "distillab-sandbox", "distillab-sandbox-gpu", "python3"
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
STARTUP = 120.0  # seconds that the zygote may take to import everything


class Zygote:
    """The zygote of this process: started when a kernel is first asked for, started again if it died, one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self.folder = ""

    def start(self) -> None:
        """Start it where it does not run, without waiting until it is ready."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            self.stop()
            self.folder = tempfile.mkdtemp(prefix="distillab-", dir=_short_temporary_folder())
            self._process = subprocess.Popen(
                [sys.executable, "-m", "helpers.grader.sandbox.zygote", self.folder],
                stdin=subprocess.PIPE,
                cwd=self.folder,
                env=clean_environment(self.folder),
                start_new_session=True,  # Ctrl-C is for the grader, which then closes the pipe
            )

    def scratch(self) -> str | None:
        """Where short-lived folders belong, so that they go with the zygote; None, the system's own, without one."""
        if self._process is None:
            return None
        self.start()  # the folder of one that died would go away again
        return self.folder

    def stop(self) -> None:
        """End it with every kernel that it started; its folder goes, too."""
        if self._process is not None:
            self._process.stdin.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            shutil.rmtree(self.folder, ignore_errors=True)
            self._process = None

    def order(self, order: LaunchRequest) -> tuple[int, int, int]:
        """Have a kernel started; return its pidfd, the pipe that tells how it fares, and the folder of its sockets.

        Raises GraderError where it fails.
        """
        self.start()
        with self._connect() as connection:
            connection.sendall((json.dumps(asdict(order)) + "\n").encode())
            text, handles, _, _ = socket.recv_fds(connection, 65536, 3)
        if len(handles) != 3:
            raise GraderError(
                f"The sandbox could not be set up; see: distillab doctor. {text.decode(errors='replace')}"
            )
        return handles[0], handles[1], handles[2]

    def _connect(self) -> socket.socket:
        deadline, pause = STARTUP, threading.Event()
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(f"{self.folder}/{SOCKET}")
                return connection
            except OSError:
                connection.close()
                if self._process is None or self._process.poll() is not None or deadline <= 0:
                    raise GraderError("The process that kernels are forked from did not start.") from None
                pause.wait(0.05)
                deadline -= 0.05


def _short_temporary_folder() -> str:
    """The system's own folder, or /tmp where its name is too long: a socket's path ends at 107 bytes."""
    folder = tempfile.gettempdir()
    return folder if len(folder) < 50 else "/tmp"


ZYGOTE = Zygote()
atexit.register(ZYGOTE.stop)


def clean_environment(folder: str | Path, kept: dict[str, str] | None = None) -> dict[str, str]:
    """Return the variables that a student's kernel sees: a few of the grader's own, nothing secret, no way to a hub."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | (kept or {})
    return kept | {
        # Several kernels share the machine: threads of one that wait for each other slow all of them down. One thread
        # also adds numbers up in the same order on every machine.
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


class Kernel:
    """A kernel in its sandbox, with the parts of `subprocess.Popen` that jupyter_client asks for."""

    stdin = stdout = stderr = None
    pid = 0

    def __init__(self, handle: int, status: int, sockets: int) -> None:
        self._handle, self._status, self._told = handle, status, b""
        self.sockets: int | None = sockets
        self._close = threading.Lock()

    def reports(self, wait: float = 0.0) -> list[dict[str, Any]]:
        """What the watcher has told so far: {"started": true}, then {"ended": why} or {"failed": text}."""
        while self._status is not None and select.select([self._status], [], [], wait)[0]:
            more = os.read(self._status, 65536)
            if not more:
                os.close(self._status)
                self._status = None
            self._told += more
            wait = 0.0
        return [json.loads(line) for line in self._told.splitlines()]

    def poll(self) -> int | None:
        """Return None while it runs, 0 after."""
        if self._handle is None:
            return 0
        return 0 if select.select([self._handle], [], [], 0)[0] else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and let go of it."""
        with self._close:
            if self._handle is not None:
                select.select([self._handle], [], [], timeout)
                os.close(self._handle)
                self._handle = None
        self.reports()
        if self._status is not None:
            os.close(self._status)
            self._status = None
        return 0

    def forget_sockets(self) -> None:
        """Let go of the sockets' folder: nothing connects any more."""
        if self.sockets is not None:
            os.close(self.sockets)
            self.sockets = None

    def send_signal(self, number: int) -> None:
        """Signal it; SIGINT and SIGTERM reach the kernel alone, SIGKILL everything in its sandbox."""
        with self._close:
            if self._handle is not None and self.poll() is None:
                signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """End everything in its sandbox at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """The same: there is nothing in a sandbox that needs an orderly end."""
        self.kill()


class SandboxProvisioner(LocalProvisioner):
    """Starts kernels in sandboxes. The limits hold for one kernel with everything that it starts."""

    memory_mebibytes = Integer(4096, help="Memory of all processes of a kernel together.").tag(config=True)
    processes = Integer(256, help="Processes and threads of a kernel.").tag(config=True)
    files_mebibytes = Integer(512, help="What a kernel may write to its folder, /tmp and /dev/shm.").tag(config=True)
    seconds = Float(3600, help="Wall time of one kernel.").tag(config=True)
    cold = Bool(False, help="Start Python afresh, with the GPU's devices, instead of forking.").tag(config=True)

    _own_sockets = ""
    _kernel: Kernel | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Move the kernel's sockets into a folder: a sandbox has no network."""
        manager = self.parent
        if manager.transport != "ipc":
            self._own_sockets = tempfile.mkdtemp(prefix="distillab-kernel-")
            manager.transport, manager.cache_ports = "ipc", False
            manager.ip = f"{self._own_sockets}/{secrets.token_hex(4)}"
            manager.connection_file = f"{self._own_sockets}/kernel.json"
        return await super().pre_launch(**kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        """Have the zygote fork a kernel. `limits` among the arguments takes the place of the configured ones."""
        folder = os.path.realpath(kwargs.get("cwd") or ".")
        given = kwargs.get("env", {})
        limits = {
            "memory": self.memory_mebibytes * 2**20,
            "processes": self.processes,
            "files": self.files_mebibytes * 2**20,
            "seconds": self.seconds,
        } | (kwargs.get("limits") or {})
        order = LaunchRequest(
            folder=folder,
            sockets=os.path.dirname(os.path.realpath(self.parent.connection_file)),
            argv=cmd[cmd.index("-f") :],
            environment=clean_environment(
                folder, {key: item for key, item in given.items() if key.startswith("NBGRADER_")}
            ),
            cold=self.cold,
            devices=[str(path) for path in Path("/dev").glob("nvidia*") if not path.is_dir()] if self.cold else [],
            **limits,
        )
        self.process = self._kernel = Kernel(*ZYGOTE.order(order))
        failed = next((report["failed"] for report in self.process.reports(STARTUP) if "failed" in report), None)
        if failed:
            raise GraderError(f"The sandbox could not be set up; see: distillab doctor. {failed}")
        self.pid, self.pgid, self.cwd = 0, None, folder
        # The sockets are not in our folder of this name but in the sandbox's: there is a way through the handle on it.
        prefix = os.path.basename(str(self.connection_info["ip"]))
        self.connection_info = {**self.connection_info, "ip": f"/proc/self/fd/{self.process.sockets}/{prefix}"}
        return self.connection_info

    async def wait(self) -> int | None:
        """Wait for the kernel's end, and look more often than jupyter_client: a class starts a kernel each second."""
        while self.process is not None and self.process.poll() is None:
            await asyncio.sleep(0.005)
        return await super().wait()

    @property
    def ended(self) -> str:
        """Why the kernel ended, as its watcher told: "memory", "timeout", "exit", or "" while nobody told."""
        reports = self.process.reports() if self.process else []
        return next((str(report["ended"]) for report in reports if "ended" in report), "")

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the sockets' folder where this provisioner made it."""
        await super().cleanup(restart)
        if self._kernel is not None:
            self._kernel.forget_sockets()
        if self._own_sockets and not restart:
            shutil.rmtree(self._own_sockets, ignore_errors=True)


def install_kernels() -> None:
    """Write the two kernel names into this environment, so that Jupyter finds them; nothing where they are there."""
    for name, cold in ((KERNEL, False), (GPU_KERNEL, True)):
        folder = Path(sys.prefix) / "share" / "jupyter" / "kernels" / name
        spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": f"Distillab's sandbox{' with GPU' if cold else ''}",
            "language": "python",
            "metadata": {"kernel_provisioner": {"provisioner_name": KERNEL, "config": {"cold": cold}}},
        }
        text = json.dumps(spec, indent=1) + "\n"
        path = folder / "kernel.json"
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as problem:
            raise GraderError(
                f"The kernel {name} could not be written into this environment ({problem}). "
                "Run distillab doctor once as the environment's owner."
            ) from None
