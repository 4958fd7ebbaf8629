"""What leaves a sandbox when its kernel ends: new files as plain data within limits, whatever a notebook tries."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager, start_new_kernel
from traitlets.config import Config

from helpers.grader.sandbox.copy_back import MAX_DEPTH, MAX_REASONS, CopyReport, copy_new_files, paths_below
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from tests.grader.sandbox.conftest import needs_sandbox


@pytest.fixture
def sandbox(tmp_path):
    """The folder of a sandbox whose processes have ended."""
    (tmp_path / "sandbox").mkdir()
    return tmp_path / "sandbox"


@pytest.fixture
def host(tmp_path):
    """The folder of the host that the kernel was started in."""
    (tmp_path / "host").mkdir()
    return tmp_path / "host"


@pytest.fixture
def outside(tmp_path):
    """A folder of the host that no notebook may read or change."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    return tmp_path / "outside"


def copy(sandbox: Path, host: Path, existing=frozenset(), max_bytes=1000, max_files=10) -> CopyReport:
    handle = os.open(sandbox, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return copy_new_files(handle, str(host), existing, max_bytes, max_files)
    finally:
        os.close(handle)


def contents(folder: Path) -> dict[str, str]:
    """The text of every file below a folder by its path; a folder without files does not show."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------------------------------------------------- plain data


def test_new_files_arrive_without_their_mode(sandbox, host):
    (sandbox / "results" / "epoch 1").mkdir(parents=True)
    (sandbox / "results" / "epoch 1" / "loss.csv").write_text("step,loss\n")
    (sandbox / "program").write_text("#!/bin/sh")
    (sandbox / "program").chmod(0o6777)
    report = copy(sandbox, host)
    assert contents(host) == {"results/epoch 1/loss.csv": "step,loss\n", "program": "#!/bin/sh"}
    assert report.copied == ["program", "results/epoch 1/loss.csv"] and report.total_left_out == 0
    assert (host / "program").stat().st_mode & 0o7111 == 0, "neither executable nor set-uid"


def link_to_a_file(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "secret.txt")


def link_to_a_folder(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def dangling_link(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "nothing.txt")


def hard_link(path: Path, outside: Path) -> None:
    os.link(outside / "secret.txt", path)


def pipe(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path, outside: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(path.parent)  # the path of a socket may have 107 bytes
        try:
            listener.bind(path.name)
        finally:
            os.chdir(here)


def device(path: Path, outside: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero, which never ends
    except PermissionError:
        pytest.skip("only root can make a device")


@pytest.mark.parametrize(
    "make", [link_to_a_file, link_to_a_folder, dangling_link, hard_link, pipe, unix_socket, device]
)
def test_only_regular_files_are_copied(sandbox, host, outside, make):
    make(sandbox / "item", outside)
    (sandbox / "neighbour.txt").write_text("plain")
    report = copy(sandbox, host)
    assert os.listdir(host) == ["neighbour.txt"]
    assert report.total_left_out == 1 and report.left_out[0].startswith("'item': ")


# -------------------------------------------------------------------------------------------------- nothing existing


def test_an_existing_file_is_never_replaced(sandbox, host):
    (host / "data.txt").write_text("the course's")
    existing = paths_below(str(host))
    (host / "late.txt").write_text("made meanwhile")
    for name in ("data.txt", "late.txt", "new.txt"):
        (sandbox / name).write_text("the notebook's")
    report = copy(sandbox, host, existing)
    expected = {"data.txt": "the course's", "late.txt": "made meanwhile", "new.txt": "the notebook's"}
    assert contents(host) == expected
    assert report.copied == ["new.txt"] and [line.split(":")[0] for line in report.left_out] == ["'late.txt'"]


def test_links_to_folders_exist_too(host, outside):
    (host / "link").symlink_to(outside)
    assert paths_below(str(host)) == {"link"}


def test_a_file_deleted_meanwhile_does_not_come_back(sandbox, host):
    (host / "folder").mkdir()
    (host / "folder" / "data.txt").write_text("the course's")
    existing = paths_below(str(host))
    shutil.copytree(host, sandbox, dirs_exist_ok=True)
    (host / "folder" / "data.txt").unlink()
    assert copy(sandbox, host, existing).copied == [] and contents(host) == {}


def test_links_of_the_host_are_not_followed(sandbox, host, outside):
    (host / "folder").symlink_to(outside)
    (host / "dangling.txt").symlink_to(outside / "made.txt")
    (sandbox / "folder").mkdir()
    (sandbox / "folder" / "secret.txt").write_text("overwritten")
    (sandbox / "folder" / "more.txt").write_text("added")
    (sandbox / "dangling.txt").write_text("written through the link")
    report = copy(sandbox, host)
    assert contents(outside) == {"secret.txt": "secret"} and report.copied == []
    assert (host / "folder").is_symlink() and (host / "dangling.txt").is_symlink()


# --------------------------------------------------------------------------------------------------------------- limits


def test_a_file_over_the_limit_of_bytes_stays_behind(sandbox, host):
    (sandbox / "a.txt").write_text("x" * 600)
    (sandbox / "b.txt").write_text("x" * 401)
    (sandbox / "c.txt").write_text("x" * 400)
    report = copy(sandbox, host, max_bytes=1000)
    assert report.copied == ["a.txt", "c.txt"] and sorted(contents(host)) == ["a.txt", "c.txt"]
    assert report.left_out == ["'b.txt': 401 bytes, where 400 are left of the limit"]


def test_a_sparse_file_counts_in_full(sandbox, host):
    with open(sandbox / "sparse", "wb") as file:
        file.truncate(2**40)
    assert copy(sandbox, host, max_bytes=2**30).copied == [] and os.listdir(host) == []


def test_folders_count_as_files_do(sandbox, host):
    for name in ("a", "b", "c"):
        (sandbox / name).mkdir()
        (sandbox / name / "file.txt").write_text(name)
    report = copy(sandbox, host, max_files=5)
    assert sum(1 for _ in host.rglob("*")) == 5 and report.copied == ["a/file.txt", "b/file.txt"]
    assert "5 files" in report.left_out[-1]


def test_a_folder_without_files_costs_nothing(sandbox, host):
    for number in range(50):
        (sandbox / f"empty {number}").mkdir()
    copy(sandbox, host, max_files=0)
    assert os.listdir(host) == []


def test_the_report_stays_short(sandbox, host):
    for number in range(100):
        (sandbox / f"{number}").symlink_to("/etc/passwd")
    report = copy(sandbox, host)
    assert report.total_left_out == 100 and len(report.left_out) == MAX_REASONS


def make_deep(folder: Path, depth: int, file: str) -> None:
    """A file below nested folders, which may be more than a path can name."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=handle)
        deeper = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=handle)
        os.close(handle)
        handle = deeper
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.close(handle)


def test_deep_folders_are_left_out(sandbox, host):
    make_deep(sandbox, MAX_DEPTH, "deepest.txt")
    (sandbox / "too").mkdir()
    make_deep(sandbox / "too", MAX_DEPTH, "deep.txt")
    assert copy(sandbox, host, max_files=100).copied == ["d/" * MAX_DEPTH + "deepest.txt"]


def test_folders_deeper_than_the_recursion_limit_do_no_harm(sandbox, host):
    make_deep(sandbox, 2000, "abyss.txt")
    (sandbox / "shallow.txt").write_text("here")
    try:
        assert copy(sandbox, host).copied == ["shallow.txt"]
    finally:
        os.system(f"rm -rf '{sandbox}'")  # what removes temporary folders recurses


# ---------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["résumé (1).txt", "config.json", "model-1.safetensors", "запись.csv", "a=1,b=2@x+y"])
def test_ordinary_names_are_kept(sandbox, host, name):
    (sandbox / name).write_text("x")
    assert copy(sandbox, host).copied == [name] and os.listdir(host) == [name]


@pytest.mark.parametrize(
    "name",
    [
        b"-rf",
        b"two\nlines",
        b"\x1b[31mred",
        b"not utf-8 \xff",
        "\u202egpj.exe".encode(),
        b"ends with space ",
        b"$(reboot)",
        b"back\\slash",
        b"nbgrader_config.py",
        b"jupyter_lab_config.json",
        b"Jupyter_Server_Config.d",
    ],
)
@pytest.mark.parametrize("as_folder", [False, True])
def test_odd_names_are_left_out(sandbox, host, name, as_folder):
    path = os.fsencode(sandbox) + b"/" + name
    if as_folder:
        os.mkdir(path)
        path += b"/file.txt"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    report = copy(sandbox, host)
    assert os.listdir(host) == [] and report.total_left_out == 1
    assert report.left_out[0].isprintable() and report.left_out[0].isascii()


def test_hidden_files_stay_behind_silently(sandbox, host):
    (sandbox / ".ssh").mkdir()
    (sandbox / ".ssh" / "authorized_keys").write_text("ssh-ed25519 …")
    (sandbox / ".bashrc").write_text("reboot")
    assert copy(sandbox, host) == CopyReport()
    assert os.listdir(host) == []


# -------------------------------------------------------------------------------------------------------------- kernels


@pytest.fixture
def start(kernel_name):
    """A function that starts a kernel as Jupyter does, and runs a cell in it."""
    managers: list[KernelManager] = []

    def start(folder: Path, cell: str) -> KernelManager:
        manager, client = start_new_kernel(startup_timeout=120, kernel_name=SANDBOX_KERNEL, cwd=str(folder))
        managers.append(manager)
        reply = client.execute_interactive(cell, timeout=60, stop_on_error=False)
        client.stop_channels()
        assert reply["content"]["status"] == "ok", reply["content"]
        return manager

    yield start
    for manager in managers:
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)


HOSTILE = """
import os, subprocess
os.makedirs("made/deeper")
open("made/deeper/result.txt", "w").write("result")
open("data.txt", "w").write("replaced")
os.symlink({outside!r}, "way_out")
os.symlink({outside!r} + "/secret.txt", "made/secret.txt")
os.mkfifo("pipe")
open("large", "w").truncate(2 * 2**20)
os.makedirs("many")
for number in range(50):
    open(f"many/{{number:02}}", "w").close()
if os.fork() == 0:
    while True:  # exchanges a file for a link while the kernel ends
        open("swapped", "w").write("plain")
        os.symlink({outside!r} + "/secret.txt", "link")
        os.replace("link", "swapped")
        os.unlink("swapped")
"""


@needs_sandbox
@pytest.mark.parametrize("now", [False, True])
def test_what_a_notebook_wrote_comes_out_of_the_sandbox(start, host, outside, now):
    (host / "data.txt").write_text("the course's")
    manager = start(host, HOSTILE.format(outside=str(outside)))
    assert contents(host) == {"data.txt": "the course's"}, "nothing comes out while the notebook runs"
    manager.provisioner.copy_back_mebibytes = 1
    manager.provisioner.copy_back_files = 20
    manager.shutdown_kernel(now=now)
    files = contents(host)
    assert files.pop("data.txt") == "the course's" and files.pop("made/deeper/result.txt") == "result"
    assert files.pop("swapped", "plain") in ("plain", "")
    assert files == {f"many/{number:02}": "" for number in range(16)}, "20 without made, deeper, result.txt and many"
    assert not [path for path in host.rglob("*") if path.is_symlink() or path.is_fifo()]
    assert contents(outside) == {"secret.txt": "secret"}


@needs_sandbox
def test_files_come_out_of_a_kernel_that_died_and_into_the_next(start, host):
    manager = start(host, "open('first.txt', 'w').write('from the first')")
    manager.signal_kernel(signal.SIGTERM)
    assert manager.provisioner._kernel.wait(60) == 0, "it died by itself"
    manager.shutdown_kernel(now=True)
    assert contents(host) == {"first.txt": "from the first"}
    start(host, "open('second.txt', 'w').write(open('first.txt').read())").shutdown_kernel(now=True)
    assert contents(host)["second.txt"] == "from the first"


@needs_sandbox
def test_a_restart_brings_the_files_out(start, host):
    manager = start(host, "open('before.txt', 'w').write('x')")
    manager.restart_kernel(now=True)
    assert contents(host) == {"before.txt": "x"}
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    client.stop_channels()


@needs_sandbox
def test_the_configuration_switches_it_off(kernel_name, host):
    manager = KernelManager(kernel_name=SANDBOX_KERNEL, config=Config({"SandboxProvisioner": {"copy_back": False}}))
    manager.start_kernel(cwd=str(host))
    try:
        assert manager.provisioner._kernel.folder is None, "the sandbox's memory is free once the kernel has ended"
    finally:
        manager.shutdown_kernel(now=True)


@needs_sandbox
def test_one_launch_can_go_without(start, host):
    manager = start(host, "open('before.txt', 'w').write('x')")
    manager.restart_kernel(now=True, copy_back=False)
    (host / "before.txt").unlink()
    manager.shutdown_kernel(now=True)
    assert contents(host) == {}
