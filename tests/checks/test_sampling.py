"""Answers that sample: what is counted of their rows, and models whose samples can be foretold."""

import pytest
import torch

from helpers.checks.encoding import decode, encode
from helpers.checks.fixtures import ModelSpec
from helpers.checks.observers import observe

TABLE = [[0.0, 30.0, 0.0], [0.0, 0.0, 30.0], [30.0, 0.0, 0.0]]
PROMPTS = torch.zeros(600, 1, dtype=torch.long)


def seen(answer, *arguments, **options):
    arguments = [decode(encode(argument)) for argument in (*arguments, ModelSpec("generator", seed=3))]
    return {label: decode(item) for label, item in observe("sampling", answer, arguments, options)["values"].items()}


def drawn(model, prompts, generator):
    """One token for each row, uniformly; the model is only called."""
    with torch.no_grad():
        model(prompts)
    return torch.cat([prompts, torch.randint(3, (len(prompts), 1), generator=generator)], dim=1)


def test_a_bigram_is_sure_of_its_next_token_and_drops_it_in_train_mode():
    model = decode(encode(ModelSpec("bigram", table=TABLE, dropout=1.0)))
    assert model(torch.tensor([[0, 1, 2]])).logits.argmax(dim=-1).tolist() == [[1, 2, 0]]
    assert not model.train()(torch.tensor([[0, 1, 2]])).logits.any()
    frozen = decode(encode(ModelSpec("bigram", table=TABLE, frozen=True)))
    assert not frozen.table.requires_grad and model.table.requires_grad


def test_shares_of_tokens_are_counted_in_each_block():
    model = ModelSpec("bigram", table=TABLE)
    rows = seen(drawn, model, PROMPTS, watch=["frequency", "distinct"], vocabulary=3, blocks=2)
    shares = rows["how often each token comes"]
    assert shares.shape == (2, 2, 3) and shares[:, 0].tolist() == [[1.0, 0.0, 0.0]] * 2
    assert (shares[:, 1] - 1 / 3).abs().max() < 0.1 and rows["different rows"] == 3
    two = seen(drawn, model, torch.tensor([[1], [2]]), watch=["frequency"], vocabulary=3, blocks=2, repeat=50)
    assert two["shape"] == [100, 2] and two["how often each token comes"][:, 0].argmax(dim=-1).tolist() == [1, 2]


def test_randomness_has_to_come_from_the_generator():
    model = ModelSpec("bigram", table=TABLE)
    right = seen(drawn, model, PROMPTS, watch=["generator"])
    assert list(right.values())[1:] == [True, True]
    ignored = seen(lambda model, prompts, generator: drawn(model, prompts, None), model, PROMPTS, watch=["generator"])
    assert list(ignored.values())[1:] == [False, False], "the global seed decides, not the generator"
    fixed = seen(lambda model, prompts, generator: prompts, model, PROMPTS, watch=["generator"])
    assert list(fixed.values())[1:] == [True, False]


@pytest.mark.parametrize(("grad", "train"), [(False, False), (True, False), (False, True)])
def test_how_a_model_was_called_is_seen(grad, train):
    def answer(model, prompts, generator):
        with torch.set_grad_enabled(grad):
            model.train(train)(prompts)
        return prompts

    called = seen(answer, ModelSpec("bigram", table=TABLE), PROMPTS, watch=["gradients"])
    assert (called["called with gradients on"], called["called in train mode"]) == (grad, train)


def test_what_is_no_tensor_of_tokens_is_shown_as_it_is():
    model = ModelSpec("bigram", table=TABLE)
    assert seen(lambda *_: "rows", model, PROMPTS, watch=["generator"]) == {"value": "rows"}
    floats = seen(lambda *_: torch.ones(2, 2), model, PROMPTS, watch=["frequency"], vocabulary=3)
    assert floats["value"].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_language_is_read_from_lines():
    rules = ["start cat 3 said", "start dog 1 said", "said <|endoftext|> 1 start"]
    language = decode(encode(ModelSpec("language", rules=rules)))
    assert language.words == ["<|endoftext|>", "<|unknown|>", "cat", "dog"]
    assert language.probs[language.start].tolist() == [0.0, 0.0, 0.75, 0.25]


def test_the_stand_in_for_a_divergence_tells_its_arguments_apart():
    divergence = decode(encode(ModelSpec("divergence")))
    one, other = torch.ones(1, 2, 3), torch.zeros(1, 2, 3)
    mask = torch.tensor([[1, 0]])
    assert divergence(one, other, mask) == 1 and divergence(other, one, mask) == 4
    assert divergence(one, other, mask * 0) == 0
