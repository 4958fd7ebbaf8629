"""helpers.setup.preflight: what a tier says that it needs, and what it finds missing."""

import os
from types import SimpleNamespace

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
    monkeypatch.setattr(preflight_module, "machine_memory", lambda: 1.0)
    assert preflight("tiny").ready


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="the system does not say its memory in another way")
def test_memory_is_that_of_the_machine_in_gigabytes():
    expected = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    assert preflight_module.machine_memory() == pytest.approx(expected, rel=0.01)  # GiB would differ by 7 %


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
    assert "93 MB, once" in repr(said) and "estimated from 500 GFLOP/s measured now" in repr(said)
    assert "about 21 minutes" in repr(said) and "bfloat16, the faster of" in repr(said)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(preflight_module, "missing_packages", lambda: ["gguf"])
    monkeypatch.setattr(preflight_module, "free_mb", lambda folder: 10.0)
    problems = preflight("laptop").problems
    assert any("pip install 'distillab[laptop]'" in problem for problem in problems)
    assert any(problem.startswith("disk: the fetch needs 800 MB free in") for problem in problems)


def test_laptop_preflight_is_ready_once_the_teacher_is_there(laptop, monkeypatch):
    monkeypatch.setattr(preflight_module, "product_rate", lambda: (100.0, "float32"))
    assert preflight().ready and "nothing: DISTILLAB_TEACHER names" in repr(preflight())
    monkeypatch.setenv("DISTILLAB_TEACHER", "nowhere")
    assert preflight().problems[0] == "teacher: DISTILLAB_TEACHER names nowhere, and there is no such folder"
    monkeypatch.delenv("DISTILLAB_TEACHER")
    monkeypatch.setattr(preflight_module, "is_fetched", lambda: True)
    assert preflight().ready and "nothing: the teacher is in" in repr(preflight())


def test_the_rate_counts_two_operations_for_each_product_on_all_threads(monkeypatch):
    class Timer:
        """Runs the statement once and says that it took 10 ms, and once 20."""

        def __init__(self, statement, *, globals, num_threads):
            self.operands, self.threads = globals, num_threads
            self.product = eval(statement, globals)
            timers.append(self)

        def blocked_autorange(self, min_run_time):
            return SimpleNamespace(times=[0.02, 0.01])

    timers = []
    monkeypatch.setattr(preflight_module, "Timer", Timer)
    monkeypatch.setattr(preflight_module, "choose_precision", lambda model: torch.bfloat16)
    rate, dtype = preflight_module.product_rate()
    (timer,) = timers
    inner = timer.operands["states"].shape[1]
    assert rate == pytest.approx(2 * inner * timer.product.numel() / 0.01 / 1e9)
    assert dtype == "bfloat16" and timer.product.dtype == torch.bfloat16
    assert timer.threads == torch.get_num_threads()


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
    assert preflight("gpu").problems == ["GPU memory: 3.0 GB are free; the tier needs about 8 GB"]


def test_the_hub_is_asked_for_by_its_address(monkeypatch):
    asked = []

    def refuse(address, timeout):
        asked.append(address)
        raise OSError

    monkeypatch.setattr(preflight_module.socket, "create_connection", refuse)
    monkeypatch.setattr(preflight_module, "ENDPOINT", "https://hub.example:8443")
    assert not preflight_module._reaches_hub() and asked == [("hub.example", 8443)]
