"""helpers.engine.chunked_loss against the plain formula, in float64: value, gradients, and the largest tensor."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM

from helpers.data.batches import whole_rows
from helpers.data.known_language import KnownLanguage, OracleTeacher
from helpers.engine.chunked_loss import batch_loss, counted_labels, loss_in_chunks, model_targets
from helpers.engine.model_parts import backbone_and_head
from helpers.engine.teacher import freeze
from helpers.labels import make_labels, next_token_pairs
from helpers.losses import distillation_loss
from helpers.models import load_student, new_model

VOCABULARY, LENGTH = 37, 9


def gpt2(seed):
    return new_model(layers=2, width=8, heads=2, vocabulary=VOCABULARY, positions=LENGTH, seed=seed).double()


def llama(seed, tied=True):
    """SmolLM2's architecture, small."""
    torch.manual_seed(seed)
    config = LlamaConfig(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=tied)  # fmt: skip
    return LlamaForCausalLM(config).double().eval()


def with_bias(seed):
    model = gpt2(seed)
    head = torch.nn.Linear(8, VOCABULARY, dtype=torch.float64)
    model.set_output_embeddings(head)
    return model


MODELS = {"gpt2": gpt2, "llama": llama, "llama, untied": lambda seed: llama(seed, tied=False), "bias": with_bias}


@pytest.fixture
def batch():
    ids = torch.randint(0, VOCABULARY, (4, LENGTH), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    mask[2, :3] = 0  # padding on the left
    mask[3] = 0
    return {"input_ids": ids, "attention_mask": mask}


def plain(student, teacher, batch, temperature, alpha):
    labels = make_labels(batch["input_ids"], batch["attention_mask"])
    logits, labels = next_token_pairs(student(**batch).logits, labels)
    return distillation_loss(logits, teacher(**batch).logits[:, :-1], labels, temperature, alpha)


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("chunk", [1, 4, 11, 1000])
def test_value_and_every_gradient_are_those_of_the_plain_formula(batch, make, alpha, chunk):
    student, teacher = make(0), freeze(make(1))
    teacher.get_output_embeddings().weight.data *= 20  # a confident teacher
    expected = plain(student, teacher, batch, 2.0, alpha)
    wanted = gradients(student, expected)
    total = int(counted_labels(batch)[0].sum())
    assert total == 8 + 4 + 6  # the first token after padding on the left is predicted, from padding
    loss = batch_loss(
        student, model_targets(teacher, batch), batch, temperature=2.0, alpha=alpha, total=total, chunk=chunk
    )
    torch.testing.assert_close(loss, expected)
    found = gradients(student, loss)
    assert found.keys() == wanted.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, wanted[name], msg=lambda text, name=name: f"{name}: {text}")
    assert not any(parameter.grad is not None for parameter in teacher.parameters())


class LargestResult(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation returned."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def test_no_tensor_is_larger_than_the_logits_of_a_chunk():
    ids = torch.randint(0, 1000, (4, 32), generator=torch.Generator().manual_seed(0))
    student, teacher = (new_model(1, 8, 2, vocabulary=1000, positions=32, seed=seed) for seed in (0, 1))
    freeze(teacher)
    with LargestResult() as seen:
        batch = whole_rows(ids)
        loss = batch_loss(student, model_targets(teacher, batch), batch, temperature=2.0, alpha=0.5, total=124, chunk=8)
        loss.backward()
    assert seen.elements == 8 * 1000  # which is also the size of the head's weights
    with LargestResult() as seen:
        plain(student, teacher, batch, 2.0, 0.5).backward()
    assert seen.elements >= 4 * 31 * 1000


def test_the_gradient_is_scaled_by_what_comes_after():
    student, ids = gpt2(0), torch.arange(LENGTH)[None]
    losses = [
        batch_loss(student, None, whole_rows(ids), temperature=1.0, alpha=0.0, total=LENGTH - 1, chunk=3)
        for _ in range(2)
    ]
    once, thrice = gradients(student, losses[0]), gradients(student, losses[1] * 3)
    for name in once:
        torch.testing.assert_close(once[name] * 3, thrice[name])
    with pytest.raises(RuntimeError):
        losses[0].backward()


def test_nothing_counted_gives_zero_and_gradients_of_zero(batch):
    batch["attention_mask"] = torch.zeros_like(batch["attention_mask"])
    student, teacher = gpt2(0), freeze(gpt2(1))
    loss = batch_loss(student, model_targets(teacher, batch), batch, temperature=2.0, alpha=0.5, total=0)
    assert loss == 0
    assert all(torch.equal(each, torch.zeros_like(each)) for each in gradients(student, loss).values())


def test_parts_with_one_denominator_add_up_to_the_whole(batch):
    """Rows with 8, 4, 6 and 0 counted tokens: the mean of their means would be another number."""
    student, teacher = gpt2(0), freeze(gpt2(1))
    expected = plain(student, teacher, batch, 2.0, 0.5)
    parts = [{name: tensor[row : row + 1] for name, tensor in batch.items()} for row in range(4)]
    losses = [
        batch_loss(student, model_targets(teacher, part), part, temperature=2.0, alpha=0.5, total=18) for part in parts
    ]
    torch.testing.assert_close(sum(losses), expected)
    means = [plain(student, teacher, part, 2.0, 0.5) for part in parts[:3]]
    assert abs(sum(means) / 3 - expected) > 1e-4


def test_under_bfloat16_autocast_only_the_products_lose_digits(batch):
    student, teacher = gpt2(0).float(), freeze(gpt2(1).float())
    expected = plain(student, teacher, batch, 2.0, 0.5)
    wanted = gradients(student, expected)
    with torch.autocast("cpu", torch.bfloat16):
        targets = model_targets(teacher, batch)
        loss = batch_loss(student, targets, batch, temperature=2.0, alpha=0.5, total=18, chunk=4)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=2e-3, atol=0)
    found = gradients(student, loss)["transformer.wte.weight"]  # tied to the head
    assert found.dtype == torch.float32
    alike = torch.nn.functional.cosine_similarity(found.flatten(), wanted["transformer.wte.weight"].flatten(), dim=0)
    assert alike > 0.999


def test_a_teacher_that_cannot_be_taken_apart_gives_its_logits():
    language = KnownLanguage.stories()
    student, oracle = load_student("tiny"), freeze(OracleTeacher(language))
    assert backbone_and_head(oracle) is None
    batch = whole_rows(language.sample(2, 16, 0))
    expected = plain(student, oracle, batch, 3.0, 0.5)
    loss = batch_loss(student, model_targets(oracle, batch), batch, temperature=3.0, alpha=0.5, total=30, chunk=7)
    torch.testing.assert_close(loss, expected)


def test_a_student_that_cannot_be_taken_apart_is_trained_with_the_plain_formula(batch):
    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = gpt2(0)

        def forward(self, input_ids, attention_mask):
            return self.inner(input_ids, attention_mask=attention_mask)

    student, teacher = Wrapped(), freeze(gpt2(1))
    wanted = gradients(student, plain(student, teacher, batch, 2.0, 0.5))
    loss = batch_loss(student, model_targets(teacher, batch), batch, temperature=2.0, alpha=0.5, total=18)
    for name, gradient in gradients(student, loss).items():
        torch.testing.assert_close(gradient, wanted[name])


def test_an_empty_chunk_is_refused():
    with pytest.raises(ValueError, match="chunk is 0"):
        loss_in_chunks(torch.ones(2, 3), torch.ones(4, 3), None, None, chunk=0)
