"""helpers.experiments.gpu_tier on small models: does it train what it built, and are its figures those of the run?"""

import pytest
import torch

from helpers import tiers
from helpers.experiments import gpu_tier
from helpers.experiments.gpu_tier import SHAPES, benchmark, build_folders
from helpers.models import load_student, load_teacher

SMALL = {
    "teacher": {"n_layer": 2, "n_embd": 16, "n_head": 2, "vocab_size": 300, "bos_token_id": 0, "eos_token_id": 0},
    "student": {"n_layer": 1, "n_embd": 8, "n_head": 2, "vocab_size": 300, "bos_token_id": 0, "eos_token_id": 0},
}


@pytest.fixture
def no_names(monkeypatch):
    for role in ("TEACHER", "STUDENT"):
        monkeypatch.setenv(f"DISTILLAB_{role}", "")  # so that what the benchmark sets is undone


def test_the_run_is_the_tiers_own_and_its_figures_add_up(no_names, monkeypatch, tmp_path):
    calls = []
    plain = gpu_tier.distill

    def distill(student, teacher, batches, config, **options):
        calls.append((len(batches), batches[0]["input_ids"].shape, config))
        return plain(student, teacher, batches, config, **options)

    monkeypatch.setattr(gpu_tier, "distill", distill)
    measured = benchmark(build_folders(tmp_path, SMALL), steps=2, progress=False)
    assert [count for count, _, _ in calls] == [1, 2] and calls[1][1] == (8, 128)
    tier = tiers.tier_of("gpu")
    assert calls[1][2].temperature == tier.temperature == 3 and calls[1][2].learning_rate == 5e-5
    assert load_teacher("gpu").config.n_embd == 16 and load_student("gpu").config.n_layer == 1
    assert measured["weights"] == "random" and measured["tokens"] == 2 * 8 * 128
    assert measured["tokens_a_second"] * measured["seconds"] == pytest.approx(measured["tokens"])
    layers = {role: shape["n_layer"] * 12 * shape["n_embd"] ** 2 for role, shape in SMALL.items()}
    products = {role: layers[role] + 300 * shape["n_embd"] for role, shape in SMALL.items()}
    expected = 1024 * (2 * products["teacher"] + 6 * products["student"]) / 1e12
    assert measured["teraflop_a_step"] == pytest.approx(expected, rel=0.01)
    assert measured["peak_gb"] > 0.05


def test_the_shapes_are_gpt2_mediums_and_distilgpt2s():
    sizes = {}
    for role, shape in SHAPES.items():
        with torch.device("meta"):
            sizes[role] = sum(p.numel() for p in gpu_tier.GPT2LMHeadModel(gpu_tier.GPT2Config(**shape)).parameters())
    assert sizes == {"teacher": 354_823_168, "student": 81_912_576}
