"""helpers.checks.model_observers: what is seen of a smaller model, and of what became of the given one."""

import copy

import torch
from torch import nn

from helpers.checks.encoding import decode
from helpers.checks.fixtures import build
from helpers.checks.observers import observe

TOKENS = torch.tensor([[1, 2, 3]])


def seen(kind: str, answer, arguments, **options) -> dict:
    reply = observe(kind, answer, arguments, options)
    return {label: decode(item) for label, item in reply["values"].items()}


def cut(answer) -> dict:
    return seen("cut_model", answer, (build("gpt2", {"seed": 1, "layers": 3}), [0, 2]), tokens=TOKENS)


def good(model, kept):
    new = copy.deepcopy(model)
    new.transformer.h = nn.ModuleList([new.transformer.h[i] for i in kept])
    new.config.n_layer = len(kept)
    for number, layer in enumerate(new.transformer.h):
        layer.attn.layer_idx = number
    return new


def test_a_cut_model_is_seen_with_its_numbers_and_apart_from_the_old_one():
    found = cut(good)
    assert found["layer_idx of its layers"] == [0, 1] and found["number of layers in its config"] == 2
    assert found["weights in memory of the old model"] == 0 and found["the old model is as it was"]
    assert found["head and embeddings are tied"] and found["logits of the new model"].shape == (1, 3, 7)


def test_a_cut_in_place_and_shared_weights_are_seen():
    def in_place(model, kept):
        del model.transformer.h[1]
        return model

    assert not cut(in_place)["the old model is as it was"]

    def shared(model, kept):
        new = good(model, kept)
        new.transformer.h[0].mlp = model.transformer.h[0].mlp
        return new

    assert cut(shared)["weights in memory of the old model"] == 4


def test_what_is_no_model_is_named_and_not_used():
    assert cut(lambda model, kept: None) == {"kind of result": "NoneType"}
    assert seen("narrow_layer", lambda *_: [], (nn.Linear(2, 2), [0], 0)) == {"kind of result": "list"}


def test_a_view_of_the_old_layer_is_seen_as_its_memory():
    def view(linear, kept, dim):
        new = nn.Linear(2, 1, bias=False)
        new.weight = nn.Parameter(linear.weight.detach()[:1])
        return new

    found = seen("narrow_layer", view, (nn.Linear(2, 2, bias=False), [0], 0))
    assert found["weights in memory of the old layer"] == 1 and found["bias"] is None
    assert found["in_features and out_features"] == [2, 1] and found["the old layer is as it was"]
