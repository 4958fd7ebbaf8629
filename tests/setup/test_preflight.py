"""helpers.setup.preflight: what a tier says that it needs, and what it finds missing."""

import pytest
import torch

from helpers.setup import preflight as preflight_module
from helpers.setup.preflight import preflight
from tests.small_models import save, small_llama


@pytest.fixture(autouse=True)
def no_tier(monkeypatch):
    for name in ("DISTILLAB_TIER", "DISTILLAB_TEACHER", "DISTILLAB_STUDENT"):
        monkeypatch.delenv(name, raising=False)


def test_the_tiny_tier_needs_nothing_and_says_so():
    said = preflight()
    assert said.ready and not said.problems
    assert "Tier tiny: ready" in repr(said) and "nothing" in repr(said) and "300 steps" in repr(said)
    assert "<table>" in said._repr_html_() and 'scope="row"' in said._repr_html_()


def test_too_little_memory_is_a_problem(monkeypatch):
    monkeypatch.setattr(preflight_module, "machine_memory", lambda: 0.5)
    said = preflight("tiny")
    assert not said.ready and "this machine has 0.5 GB" in said.problems[0]
    assert "not ready" in repr(said) and "Missing: memory" in repr(said)
    assert "0.5 GB" in said._repr_html_()
    monkeypatch.setattr(preflight_module, "machine_memory", lambda: None)
    assert preflight("tiny").ready


def test_memory_is_plausible():
    memory = preflight_module.machine_memory()
    assert memory is None or 0.5 < memory < 100_000


@pytest.fixture
def laptop(monkeypatch, tmp_path):
    """A small Llama in the place of the laptop tier's teacher."""
    monkeypatch.setenv("DISTILLAB_TEACHER", str(save(small_llama(), tmp_path / "teacher")))
    monkeypatch.setenv("DISTILLAB_TIER", "laptop")


def test_laptop_preflight_says_what_to_fetch(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(preflight_module, "product_rate", lambda: (500.0, "bfloat16"))
    said = preflight("laptop")
    assert not said.ready and "teacher: run `distillab fetch laptop`" in said.problems
    assert "93 MB once" in repr(said) and "at the 500 GFLOP/s measured just now" in repr(said)
    assert "about 21 minutes" in repr(said) and "bfloat16, the faster one" in repr(said)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(preflight_module, "missing_packages", lambda: ["gguf"])
    monkeypatch.setattr(preflight_module, "free_mb", lambda folder: 10.0)
    problems = preflight("laptop").problems
    assert any("pip install 'distillab[laptop]'" in problem for problem in problems)
    assert any(problem.startswith("disk: 800 MB") for problem in problems)


def test_laptop_preflight_is_ready_once_the_teacher_is_there(laptop, monkeypatch):
    monkeypatch.setattr(preflight_module, "product_rate", lambda: (100.0, "float32"))
    assert preflight().ready and "nothing: DISTILLAB_TEACHER names" in repr(preflight())
    monkeypatch.setenv("DISTILLAB_TEACHER", "nowhere")
    assert "there is no folder nowhere" in preflight().problems[0]
    monkeypatch.delenv("DISTILLAB_TEACHER")
    monkeypatch.setattr(preflight_module, "is_fetched", lambda: True)
    assert preflight().ready and "nothing: the teacher is in" in repr(preflight())


def test_the_rate_of_products_is_measured():
    rate, dtype = preflight_module.product_rate()
    assert 0.1 < rate < 1e6 and dtype in ("float32", "bfloat16")


def test_gpu_preflight_says_that_there_is_no_gpu_and_no_hub(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(preflight_module, "is_here", lambda source: False)
    monkeypatch.setattr(preflight_module, "_reaches_hub", lambda: False)
    monkeypatch.setattr(preflight_module, "HF_HUB_OFFLINE", False)
    said = preflight("gpu")
    assert [problem.split(":")[0] for problem in said.problems] == ["download", "GPU"]
    assert "openai-community/gpt2-medium (1,520 MB), distilbert/distilgpt2 (353 MB)" in repr(said)
    monkeypatch.setattr(preflight_module, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in preflight("gpu").problems[0]


def test_gpu_preflight_with_a_gpu_and_local_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILLAB_TEACHER", str(tmp_path))
    monkeypatch.setenv("DISTILLAB_STUDENT", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU of a test")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (15e9, 16e9))
    said = preflight("gpu")
    assert said.ready and "GPU of a test, 15.0 of 16.0 GB free" in repr(said)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (3e9, 16e9))
    assert preflight("gpu").problems == ["GPU memory: 3.0 GB are free, the tier needs about 8 GB"]


def test_the_hub_is_asked_for_by_its_address(monkeypatch):
    asked = []

    def refuse(address, timeout):
        asked.append(address)
        raise OSError

    monkeypatch.setattr(preflight_module.socket, "create_connection", refuse)
    monkeypatch.setattr(preflight_module, "ENDPOINT", "https://hub.example:8443")
    assert not preflight_module._reaches_hub() and asked == [("hub.example", 8443)]
