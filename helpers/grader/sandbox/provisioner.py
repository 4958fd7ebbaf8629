"""The kernel provisioner `distillab-sandbox`, through which Jupyter starts kernels in a sandbox.

A kernel named `distillab-sandbox` is forked from a zygote (see `zygote.py`) into a sandbox; one named
`distillab-sandbox-gpu` is a fresh Python in the same sandbox and may use the GPU. Everything that starts Jupyter
kernels can use them by name, unmodified `nbgrader autograde` included.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, cast

import zmq
from jupyter_client.client import KernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Bool, Float, Integer, default

from helpers.grader.errors import GraderError
from helpers.grader.sandbox.copy_back import copy_new_files, paths_below
from helpers.grader.sandbox.environment import clean_environment
from helpers.grader.sandbox.kernel_process import KernelProcess
from helpers.grader.sandbox.launch_request import LaunchRequest
from helpers.grader.sandbox.zygote_client import ZYGOTE

STARTUP_SECONDS = 120.0  # a kernel may take that long until it runs or reports why it does not
KILL_SECONDS = 10.0  # the processes of a sandbox may take that long to end once they are killed
HANDLES = "/proc/self/fd/"  # the open files of this process
POLL_SECONDS = 0.005  # between two looks at a kernel that is ending


class NeverReconnects(KernelClient):
    """A client for kernels whose sockets are there before it connects, and stay as they are.

    A connection that ends was ended by the notebook. To connect again would be to trust what it put in its place.
    """

    @default("context")
    def _context_without_reconnection(self) -> zmq.Context[Any]:
        context = self._context_default()
        context.setsockopt(zmq.RECONNECT_IVL, -1)  # for every socket made from here on
        return context


class SandboxProvisioner(LocalProvisioner):
    """Starts kernels in sandboxes. Each limit holds for one kernel with everything that it starts."""

    memory_mebibytes = Integer(4096, help="Memory of all processes of a kernel together.").tag(config=True)
    processes = Integer(256, help="Processes and threads of a kernel.").tag(config=True)
    files_mebibytes = Integer(512, help="What a kernel may write to its folder, /tmp and /dev/shm.").tag(config=True)
    seconds = Float(3600, help="Wall time of one kernel.").tag(config=True)
    processor_seconds = Float(3600, help="Processor time of all processes of a kernel together.").tag(config=True)
    cold = Bool(False, help="Start a fresh Python, with the GPU's devices, instead of forking.").tag(config=True)
    copy_back = Bool(
        True, help="When a kernel ends, copy the new files of its folder to the folder it was started in."
    ).tag(config=True)
    copy_back_mebibytes = Integer(64, help="What these files may take up together.").tag(config=True)
    copy_back_files = Integer(1000, help="How many new files and folders there may be.").tag(config=True)

    _private_sockets = ""
    _kernel: KernelProcess | None = None
    _folder = ""
    _existing: frozenset[str] = frozenset()

    @property
    def _manager(self) -> KernelManager:
        return cast(KernelManager, self.parent)

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Move the kernel's sockets into a folder, since a sandbox has no network."""
        manager = self._manager
        if not issubclass(manager.client_factory, NeverReconnects):
            name = manager.client_factory.__name__
            manager.client_factory = type(name, (NeverReconnects, manager.client_factory), {})
        if manager.transport != "ipc":
            self._private_sockets = tempfile.mkdtemp(prefix="distillab-kernel-")
            manager.transport, manager.cache_ports = "ipc", False
            manager.ip = f"{self._private_sockets}/{secrets.token_hex(4)}"
            manager.connection_file = f"{self._private_sockets}/kernel.json"
        if manager.ip.startswith(HANDLES):  # a restart: the new kernel knows nothing of this process's handles
            manager.ip = f"{os.path.dirname(manager.connection_file)}/{os.path.basename(manager.ip)}"
            manager.cleanup_connection_file()  # so that it is written anew
        return await super().pre_launch(**kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Have the zygote fork a kernel.

        Args:
            cmd: The command of the kernelspec, of which only ipykernel's arguments are used.
            kwargs: What jupyter_client passes on from `start_kernel`. Besides `cwd` and `env`, `limits` replaces some
                of the configured limits and `copy_back` the setting of that name.

        Raises:
            GraderError: The sandbox could not be set up.
        """
        self._folder = os.path.realpath(kwargs.get("cwd") or ".")
        copies_back = kwargs.get("copy_back", self.copy_back)
        if copies_back:
            self._existing = paths_below(self._folder)
        self._kernel = ZYGOTE.launch(self._launch_request(cmd, kwargs.get("env", {}), kwargs.get("limits") or {}))
        if not copies_back:
            self._kernel.close_folder()
        self.process = cast("subprocess.Popen[bytes]", self._kernel)  # it has what the base class uses of one
        try:
            self._kernel.wait_until_sealed(STARTUP_SECONDS)
        except GraderError:
            self._kernel.kill()
            self._kernel.close_folder()
            self._kernel.close_channels()
            raise
        self.pid, self.pgid, self.cwd = 0, None, self._folder
        # The sockets are not in the host's folder of this name but in the sandbox's, which is reached by its handle.
        prefix = os.path.basename(str(self.connection_info["ip"]))
        self.connection_info = {**self.connection_info, "ip": f"{HANDLES}{self._kernel.channels}/{prefix}"}
        return self.connection_info

    def _launch_request(self, cmd: list[str], environment: dict[str, str], limits: dict[str, Any]) -> LaunchRequest:
        configured = {
            "memory": self.memory_mebibytes * 2**20,
            "processes": self.processes,
            "files": self.files_mebibytes * 2**20,
            "seconds": self.seconds,
            "processor_seconds": self.processor_seconds,
        }
        nbgrader = {name: value for name, value in environment.items() if name.startswith("NBGRADER_")}
        return LaunchRequest(
            folder=self._folder,
            sockets=os.path.dirname(os.path.realpath(self._manager.connection_file)),
            argv=cmd[cmd.index("-f") :],
            environment=clean_environment(self._folder, nbgrader),
            cold=self.cold,
            devices=[str(path) for path in Path("/dev").glob("nvidia*") if not path.is_dir()] if self.cold else [],
            **(configured | limits),
        )

    async def wait(self) -> int | None:
        """Wait for the kernel's end, looking more often than jupyter_client: a class starts a kernel each second."""
        while self.process is not None and self.process.poll() is None:
            await asyncio.sleep(POLL_SECONDS)
        return await super().wait()

    async def cleanup(self, restart: bool = False) -> None:
        """Copy the notebook's files back, let go of the sandbox, and remove the sockets' folder if it is our own."""
        await super().cleanup(restart)
        if self._kernel is not None:
            if self._kernel.folder is not None:
                await asyncio.to_thread(self._copy_back, self._kernel, self._kernel.folder)
            self._kernel.close_folder()
            self._kernel.close_channels()
        if self._private_sockets and not restart:
            shutil.rmtree(self._private_sockets, ignore_errors=True)

    def _copy_back(self, kernel: KernelProcess, folder: int) -> None:
        try:
            kernel.kill()
            kernel.wait(KILL_SECONDS)  # no process of the sandbox may be left while its files are copied
            report = copy_new_files(
                folder, self._folder, self._existing, self.copy_back_mebibytes * 2**20, self.copy_back_files
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self.log.warning("The notebook's files could not be copied out of the sandbox: %s", error)
            return
        if report.total_left_out:
            self.log.warning(
                "%d items of the notebook stay in the sandbox, among them: %s",
                report.total_left_out,
                "; ".join(report.left_out),
            )
