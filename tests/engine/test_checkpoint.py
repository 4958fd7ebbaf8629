"""helpers.engine.checkpoint: an interrupted run resumes with the same numbers, and a wrong file is refused."""

import json
import signal

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from helpers.engine.checkpoint import interrupt_waits, load_checkpoint, save_checkpoint
from helpers.models import new_model

SETTINGS = {"temperature": 2.0, "steps": 6, "rates": (0.1, 0.2)}


def student(seed=0, width=8):
    return new_model(layers=1, width=width, heads=2, vocabulary=5, positions=6, seed=seed).train()


def adamw(model):
    return torch.optim.AdamW(model.parameters(), lr=0.05)


def train(model, optimizer, steps):
    """Steps with dropout, so that they depend on the weights, on the optimizer's state and on the random numbers."""
    losses = []
    for _ in range(steps):
        ids = torch.randint(0, 5, (4, 6))
        optimizer.zero_grad()
        loss = model(ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    "make", [adamw, lambda model: torch.optim.SGD(model.parameters(), lr=0.05), lambda model: torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9)]
)  # fmt: skip
def test_a_run_resumes_with_the_same_numbers(tmp_path, make):
    path = tmp_path / "folder" / "run.safetensors"
    torch.manual_seed(3)
    model = student()
    optimizer = make(model)
    losses = train(model, optimizer, 3)
    save_checkpoint(path, model, optimizer, step=3, losses=losses, settings=SETTINGS)
    rest = train(model, optimizer, 3)
    torch.manual_seed(99)  # a new process has other random numbers and other weights
    again = student(seed=1)
    optimizer_again = make(again)
    assert load_checkpoint(path, again, optimizer_again, settings=SETTINGS) == (3, losses)
    assert train(again, optimizer_again, 3) == rest
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_tied_weights_stay_tied_and_are_saved_once(tmp_path):
    path = tmp_path / "run"
    model = student()
    assert model.lm_head.weight is model.transformer.wte.weight
    save_checkpoint(path, model, adamw(model), step=0, losses=[], settings={})
    with safe_open(str(path), framework="pt") as file:
        assert ("student.lm_head.weight" in file.keys()) != ("student.transformer.wte.weight" in file.keys())
    again = student(seed=1)
    load_checkpoint(path, again, adamw(again), settings={})
    assert again.lm_head.weight is again.transformer.wte.weight
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)


def test_the_order_of_the_batches_is_restored(tmp_path):
    generator = torch.Generator().manual_seed(5)
    start = generator.get_state()
    first = torch.randperm(100, generator=generator)
    model = student()
    save_checkpoint(tmp_path / "run", model, adamw(model), step=1, losses=[1.0], settings={}, order=start)
    load_checkpoint(tmp_path / "run", model, adamw(model), settings={}, order=generator)
    assert torch.equal(torch.randperm(100, generator=generator), first)


def test_each_process_gets_its_own_random_numbers(tmp_path):
    model = student()
    states = torch.stack([torch.Generator().manual_seed(seed).get_state() for seed in (1, 2)])
    save_checkpoint(tmp_path / "run", model, adamw(model), step=1, losses=[1.0], settings={}, random={"random": states})
    for process, state in enumerate(states):
        load_checkpoint(tmp_path / "run", model, adamw(model), settings={}, process=process)
        assert torch.equal(torch.get_rng_state(), state)


def test_without_a_file_nothing_changes(tmp_path):
    model = student()
    before = [weight.clone() for weight in model.parameters()]
    assert load_checkpoint(tmp_path / "none", model, adamw(model), settings=SETTINGS) is None
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_other_settings_are_refused_by_name_and_nothing_changes(tmp_path):
    path, model = tmp_path / "run", student()
    save_checkpoint(path, model, adamw(model), step=3, losses=[1.0] * 3, settings=SETTINGS)
    other = student(seed=1)
    before = other.lm_head.weight.clone()
    with pytest.raises(ValueError, match="steps was 6 and is 7; temperature was 2.0 and is 3.0"):
        load_checkpoint(path, other, adamw(other), settings=SETTINGS | {"temperature": 3.0, "steps": 7})
    with pytest.raises(ValueError, match="seed was not set and is 1"):
        load_checkpoint(path, other, adamw(other), settings=SETTINGS | {"seed": 1})
    assert torch.equal(other.lm_head.weight, before)


def test_another_model_is_refused(tmp_path):
    path, model, wider = tmp_path / "run", student(), student(width=16)
    save_checkpoint(path, model, adamw(model), step=3, losses=[], settings={})
    with pytest.raises(ValueError, match="it is another model"):
        load_checkpoint(path, wider, adamw(wider), settings={})


def test_a_file_that_is_not_a_checkpoint_is_refused(tmp_path):
    model = student()
    (tmp_path / "text").write_text("hello")
    save_file({"a": torch.zeros(1)}, str(tmp_path / "tensors"))
    save_file({"a": torch.zeros(1)}, str(tmp_path / "old"), metadata={"distillab": json.dumps({"form": "other"})})
    for name in ("text", "tensors", "old"):
        with pytest.raises(ValueError, match="is not a checkpoint"):
            load_checkpoint(tmp_path / name, model, adamw(model), settings={})


def test_a_save_that_fails_leaves_the_last_checkpoint(tmp_path):
    path, model = tmp_path / "run", student()
    save_checkpoint(path, model, adamw(model), step=3, losses=[1.0], settings={})
    with pytest.raises(TypeError):
        save_checkpoint(path, model, adamw(model), step=4, losses=[1.0], settings={"not plain": model})
    (tmp_path / "run.part").write_bytes(b"half of a fi")  # as a process leaves it that is killed while it saves
    assert load_checkpoint(path, model, adamw(model), settings={}) == (3, [1.0])


def test_an_interrupt_waits_and_a_second_one_does_not():
    handler = signal.getsignal(signal.SIGINT)
    with interrupt_waits() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is handler
