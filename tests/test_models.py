"""helpers.models: do the committed weights load without side effects, and are they what they are said to be?"""

import json
from pathlib import Path

import pytest
import torch

from helpers.data import make_batches, whole_rows
from helpers.evaluation import distance_to_truth
from helpers.language import KnownLanguage
from helpers.models import ASSETS, load_folder_model, load_student, load_teacher, load_tokenizer, new_model
from helpers.models import save_folder_model as save
from helpers.training import count_parameters

LOG = json.loads((Path(__file__).parents[1] / "results" / "tiny_training.json").read_text())


@pytest.fixture(autouse=True)
def no_tier(monkeypatch):
    monkeypatch.delenv("DISTILLAB_TIER", raising=False)


def test_committed_weights_are_those_of_the_log():
    language = KnownLanguage.stories()
    batches = make_batches(whole_rows(language.sample(40, 64, seed=7)), 20)
    for model, entry in ((load_teacher(), LOG["teacher"]), (load_student(), LOG["student"])):
        assert count_parameters(model) == entry["parameters"]
        distance = distance_to_truth(model, language, batches)
        assert distance == pytest.approx(entry["distance_to_truth_nats"], rel=0.2)
    assert LOG["teacher"]["distance_to_truth_nats"] < 0.05 < 0.3 < LOG["student"]["distance_to_truth_nats"]


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
    with pytest.raises(ValueError, match='tier is "laptop"'):
        load_tokenizer("laptop")


def test_all_weights_together_leave_room():
    assert sum(path.stat().st_size for path in ASSETS.glob("*.safetensors")) < 2_000_000
