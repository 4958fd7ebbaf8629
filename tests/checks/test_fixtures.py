"""A model specification crosses as plain data and gives one model on both sides, whatever the student changed."""

import json

import nbformat
import pytest
import torch

from helpers.checks.encoding import Opaque, decode, encode
from helpers.checks.fixtures import ModelSpec, build, gpt2, resolve
from helpers.checks.observers import observe, weights_of
from helpers.grader.judging.student_kernel import StudentKernel
from helpers.grader.limits import Limits


def crossed(value):
    return decode(json.loads(json.dumps(encode(value))))


def test_a_specification_builds_the_same_weights_again_and_leaves_the_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, other = crossed(ModelSpec("gpt2", seed=3)), crossed(ModelSpec("gpt2", seed=3))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(weights_of(one), weights_of(other))
    assert not torch.equal(weights_of(one), weights_of(crossed(ModelSpec("gpt2", seed=4))))
    thousandths = 1000 * weights_of(one)
    assert (thousandths - thousandths.round()).abs().max() < 1e-3, "short numbers, the same on every machine"


def test_float64_weights_are_the_float32_ones():
    wide = crossed(ModelSpec("gpt2", seed=3, dtype="float64"))
    assert weights_of(wide).dtype == torch.float64
    assert torch.allclose(weights_of(wide).float(), weights_of(crossed(ModelSpec("gpt2", seed=3))), atol=1e-7)


def test_settings_of_a_model():
    tied, untied = gpt2(1), gpt2(1, tied=False)
    count = sum(weight.numel() for weight in tied.parameters())
    assert sum(weight.numel() for weight in untied.parameters()) == count + 7 * 8
    assert not tied.training and gpt2(1, training=True).training
    part = gpt2(1, training=True, frozen_parts=["transformer.wte"], resting_parts=["transformer.ln_f"])
    assert not part.transformer.wte.weight.requires_grad and part.transformer.wpe.weight.requires_grad
    assert part.training and not part.transformer.ln_f.training
    assert not any(weight.requires_grad for weight in gpt2(1, frozen=True).parameters())
    assert [tuple(buffer.shape) for buffer in gpt2(1, buffers=9).buffers()] == [(9,)]


def test_dropout_shows_in_train_mode_only():
    tokens = torch.tensor([[1, 2, 3, 4]])
    still, noisy = (gpt2(1, dropout=0.5, training=mode) for mode in (False, True))
    assert torch.equal(still(tokens).logits, gpt2(1)(tokens).logits)
    assert not torch.allclose(noisy(tokens).logits, still(tokens).logits, atol=0.1)


def test_the_tokenizer_is_the_known_languages_and_a_copy():
    tokenizer = crossed(ModelSpec("tokenizer"))
    assert tokenizer.decode(tokenizer("she felt glad.")["input_ids"]) == "she felt glad."
    tokenizer.padding_side = "left"
    assert crossed(ModelSpec("tokenizer")).padding_side == "right"


def test_an_optimizer_is_made_for_the_model_beside_it():
    arguments = [crossed(item) for item in (ModelSpec("gpt2", seed=1), ModelSpec("sgd", of=0, learning_rate=0.5))]
    optimizer = resolve(arguments)[1]
    assert type(optimizer) is torch.optim.SGD and optimizer.param_groups[0]["lr"] == 0.5
    assert {id(w) for w in optimizer.param_groups[0]["params"]} == {id(w) for w in arguments[0].parameters()}


def test_an_unknown_specification_is_refused():
    with pytest.raises(ValueError, match="no model specification 'pickle'"):
        ModelSpec("pickle")
    with pytest.raises(ValueError, match="no model specification 'os.system'"):
        decode({"model_spec": {"name": "os.system", "settings": {"mapping": []}}})
    with pytest.raises(TypeError):
        build("gpt2", {"seed": 1, "code": "x"})


def test_a_model_never_comes_back():
    assert isinstance(crossed(gpt2(1)), Opaque)


# ------------------------------------------------------------------------------------------------------- observers


def seen_by(kind, answer, *arguments, **options):
    reply = observe(kind, answer, [crossed(item) for item in arguments], options)
    return {label: decode(item) for label, item in reply["values"].items()} if "values" in reply else reply["error"]


def test_freezing_tells_a_frozen_model_from_half_measures():
    model = ModelSpec("gpt2", seed=1, training=True)
    frozen = seen_by("freezing", lambda m: m.eval().requires_grad_(False), model)
    assert frozen == {"value": "the same model", "parts still in train mode": 0, "weights that can be trained": 0,
                      "weights changed": False}  # fmt: skip
    assert seen_by("freezing", lambda m: m.requires_grad_(False), model)["parts still in train mode"] > 5
    assert seen_by("freezing", lambda m: m.eval(), model)["weights that can be trained"] == 1072
    assert seen_by("freezing", lambda m: m.eval() and None, model)["value"] == "None"
    assert list(seen_by("freezing", lambda m: m, model, watch=["mode"])) == ["parts still in train mode"]


BATCH = {"input_ids": torch.tensor([[1, 2, 3, 4], [2, 4, 6, 0]])}


def step(student, teacher, batch, optimizer, clear=True):
    loss = (student(batch["input_ids"]).logits - teacher(batch["input_ids"]).logits).square().mean()
    if clear:
        optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def trained(answer, **options):
    pair = ModelSpec("gpt2", seed=1, training=True), ModelSpec("gpt2", seed=2, frozen=True)
    return seen_by("training", answer, *pair, BATCH, ModelSpec("sgd", of=0, learning_rate=0.05), **options)


def test_a_second_step_shows_gradients_that_were_kept():
    clean, kept = trained(step, steps=3), trained(lambda *a: step(*a, clear=False), steps=3)
    assert clean["value"][:2] == pytest.approx(kept["value"][:2]) and clean["value"][2] != pytest.approx(
        kept["value"][2], rel=0.01
    )


def test_training_watches_student_and_teacher():
    def swapped(student, teacher, batch, optimizer):
        teacher.requires_grad_(True).train()
        loss = teacher(batch["input_ids"]).logits.square().mean()
        loss.backward()
        with torch.no_grad():
            teacher.lm_head.weight.sub_(1)
        return loss

    right, wrong = (trained(a, watch=["kind", "student", "teacher"]) for a in (step, swapped))
    assert not torch.equal(right.pop("student's weights afterwards"), wrong.pop("student's weights afterwards"))
    assert right.pop("kind of value") == "a number" and not any(right.values())
    assert wrong.pop("kind of value") == "a tensor" and all(wrong.values())


# ------------------------------------------------------------------------------------------------------ in the kernel


@pytest.mark.sandbox
def test_the_kernel_builds_with_code_from_before_the_first_cell(tmp_path):
    spoil = nbformat.v4.new_code_cell(
        "import torch, transformers, helpers.checks.fixtures, helpers.data.known_language\n"
        "torch.set_default_dtype(torch.float64)\n"
        "transformers.GPT2LMHeadModel = transformers.GPT2Config = helpers.checks.fixtures.gpt2 = None\n"
        "helpers.checks.fixtures.BUILDERS.clear()\n"
        "helpers.data.known_language.KnownLanguage.stories = None\n"
        "def logits(model, tokens, tokenizer):\n"
        "    return model(tokens).logits, tokenizer('she felt glad.')['input_ids']\n"
    )
    arguments = (ModelSpec("gpt2", seed=7, vocabulary=9), torch.tensor([[1, 2, 3]]), ModelSpec("tokenizer"))
    request = {"name": "logits", "observe": "value", "seed": 0, "options": encode({})}
    with StudentKernel("python3", tmp_path, Limits()) as kernel:
        kernel.install_probe([], model_specs=True)
        assert kernel.run(spoil.source, 30).error is None
        reply = kernel.ask(request | {"arguments": [encode(argument) for argument in arguments]}, 30)
    logits, tokens = decode(reply["values"]["value"])
    expected = gpt2(7, vocabulary=9)(arguments[1]).logits
    assert logits.dtype == torch.float32 and torch.allclose(logits, expected, atol=1e-6)
    assert tokens == crossed(arguments[2])("she felt glad.")["input_ids"]
