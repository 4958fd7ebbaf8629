"""helpers.models: do the committed weights load without side effects, and are they what they are said to be?"""

import pytest
import torch

from helpers import models
from helpers.fetch import FetchError
from helpers.layer_pruning import student_layers
from helpers.models import (
    ASSETS,
    load_folder_model,
    load_student,
    load_teacher,
    load_tokenizer,
    model_source,
    new_model,
)
from helpers.models import save_folder_model as save
from tests.small_models import save as save_small
from tests.small_models import small_gpt2, small_llama


@pytest.fixture(autouse=True)
def no_tier(monkeypatch):
    for name in ("DISTILLAB_TIER", "DISTILLAB_TEACHER", "DISTILLAB_STUDENT"):
        monkeypatch.delenv(name, raising=False)


def test_teacher_and_student_share_the_tokenizer():
    tokenizer = load_tokenizer()
    assert load_teacher().config.vocab_size == load_student().config.vocab_size == len(tokenizer)
    assert load_student().config.pad_token_id == tokenizer.pad_token_id


def test_models_arrive_as_transformers_loads_them():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    model = load_teacher()
    assert torch.equal(torch.rand(1), expected)  # loading drew no random number
    assert not model.training and all(parameter.requires_grad for parameter in model.parameters())
    assert model.lm_head.weight is model.transformer.wte.weight
    assert model.config.resid_pdrop > 0  # so that a teacher left in train mode shows


def test_loading_is_quiet(capsys):
    load_teacher()
    load_student()
    assert capsys.readouterr() == ("", "")


def test_a_saved_model_comes_back_the_same(tmp_path):
    model = new_model(layers=1, width=8, heads=2, vocabulary=11, positions=5, seed=4)
    save(model, "small", tmp_path)
    again = load_folder_model("small", tmp_path)
    ids = torch.tensor([[1, 2, 3]])
    assert torch.equal(model(ids).logits, again(ids).logits)
    other = new_model(layers=1, width=8, heads=2, vocabulary=11, positions=5, seed=5)
    assert not torch.equal(model(ids).logits, other(ids).logits)


def test_the_tier_is_chosen_by_argument_then_environment(monkeypatch):
    monkeypatch.setenv("DISTILLAB_TIER", "huge")
    assert load_student("tiny").config.n_layer == 1
    with pytest.raises(ValueError, match='DISTILLAB_TIER is "huge"; it must be one of: tiny'):
        load_student()


def test_the_laptop_tier_asks_for_its_fetch(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILLAB_CACHE", str(tmp_path))
    for load in (load_tokenizer, load_teacher, load_student):
        with pytest.raises(FetchError, match="is not in .* yet; run: distillab fetch laptop"):
            load("laptop")


def test_the_laptop_student_is_cut_from_the_teacher(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILLAB_TEACHER", str(save_small(small_llama(layers=6), tmp_path)))
    teacher, student, tokenizer = load_teacher("laptop"), load_student("laptop"), load_tokenizer("laptop")
    assert len(teacher.model.layers) == 6
    kept = student_layers(6)
    for layer, index in zip(student.model.layers, kept, strict=True):
        assert torch.equal(layer.mlp.up_proj.weight, teacher.model.layers[index].mlp.up_proj.weight)
    assert tokenizer.pad_token == tokenizer.eos_token == "<|end|>" and tokenizer.padding_side == "right"
    assert teacher.config.vocab_size == student.config.vocab_size == len(tokenizer)


def test_the_gpu_tier_loads_by_name_or_from_folders(monkeypatch, tmp_path):
    assert model_source("gpu", "teacher") == "openai-community/gpt2-medium"
    assert model_source("gpu", "student") == "distilbert/distilgpt2"
    monkeypatch.setenv("DISTILLAB_TEACHER", str(save_small(small_gpt2(4, 16), tmp_path / "teacher")))
    monkeypatch.setenv("DISTILLAB_STUDENT", str(save_small(small_gpt2(2, 8), tmp_path / "student")))
    assert load_teacher("gpu").config.n_layer == 4 and load_student("gpu").config.n_layer == 2
    assert load_teacher("gpu").dtype == torch.float32 and load_tokenizer("gpu").pad_token == "<|end|>"


def test_a_download_is_said_beforehand_and_only_then(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DISTILLAB_TEACHER", str(save_small(small_gpt2(1, 8), tmp_path)))
    load_teacher("gpu")
    assert "Downloading" not in capsys.readouterr().out
    monkeypatch.setattr(models, "is_here", lambda source: False)
    load_teacher("gpu")
    assert capsys.readouterr().out == f"Downloading {tmp_path} from the hub …\n"


def test_what_is_here_needs_no_download(monkeypatch, tmp_path):
    assert models.is_here(str(tmp_path)) and not models.is_here(str(tmp_path / "nowhere"))
    cached = {"owner/model": str(tmp_path / "config.json"), "owner/known_to_lack_it": object()}
    monkeypatch.setattr(models, "try_to_load_from_cache", lambda source, file: cached.get(source))
    assert models.is_here("owner/model")
    assert not models.is_here("owner/other") and not models.is_here("owner/known_to_lack_it")


def test_a_model_that_cannot_be_had_is_said_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILLAB_STUDENT", str(tmp_path / "nowhere"))
    with pytest.raises(
        FetchError, match="the gpu tier's student .*nowhere.* Are you online.*DISTILLAB_STUDENT"
    ) as raised:
        load_student("gpu")
    assert "\n" not in str(raised.value)


def test_all_weights_together_stay_small():
    assert sum(path.stat().st_size for path in ASSETS.glob("*.safetensors")) < 5_000_000  # of every lab together
