"""helpers.training: the loop against the same steps written out, and what it promises about teacher and student."""

import copy
import json
import multiprocessing
import os
import signal
import socket

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, load_model, save_model

from helpers.data.batches import make_batches, whole_rows
from helpers.engine.checkpoint import Checkpointer
from helpers.engine.lr_schedule import warmup_cosine
from helpers.losses import distillation_loss
from helpers.models import new_model
from helpers.training import DistillConfig, count_parameters, distill


def small(seed, dropout=0.0):
    """A model with five words; without dropout, so that a run can be repeated outside the loop."""
    model = new_model(layers=1, width=8, heads=2, vocabulary=5, positions=6, seed=seed)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return model


@pytest.fixture
def batches():
    ids = torch.randint(0, 5, (8, 6), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[::2, 4:] = 0
    return list(make_batches({"input_ids": ids, "attention_mask": mask}, batch_size=4))


def assert_same(model, expected):
    """Same weights, except for the biases of the attention's keys: they cancel in the softmax, so that their gradient
    is only rounding, and Adam turns rounding into full steps."""
    for (name, weight), other in zip(model.named_parameters(), expected.parameters(), strict=True):
        compared = torch.ones_like(weight, dtype=torch.bool)
        if name.endswith("c_attn.bias"):
            compared[len(weight) // 3 : 2 * len(weight) // 3] = False
        torch.testing.assert_close(weight[compared], other[compared], rtol=1e-4, atol=1e-5)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_the_loop_takes_the_steps_of_the_formula(batches):
    student, teacher = small(0), small(1)
    expected = copy.deepcopy(student)
    config = DistillConfig(steps=3, temperature=2.0, alpha=0.3, learning_rate=0.1)
    history = distill(student, teacher, batches, config, progress=False)
    optimizer = torch.optim.AdamW(expected.parameters(), weight_decay=0.01)
    losses = []
    for step, batch in enumerate([batches[0], batches[1], batches[0]]):
        optimizer.param_groups[0]["lr"] = 0.1 * warmup_cosine(step, 3)
        optimizer.zero_grad()
        labels = batch["input_ids"].where(batch["attention_mask"] == 1, -100)[:, 1:]
        outputs = [model(**batch).logits[:, :-1] for model in (expected, teacher)]
        loss = distillation_loss(*outputs, labels, 2.0, 0.3)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert history.losses == pytest.approx(losses, rel=1e-5)
    assert_same(student, expected)
    assert history.learning_rates == pytest.approx([0.1 * warmup_cosine(step, 3) for step in range(3)])
    assert history.tokens == [2 * 5 + 2 * 3] * 3


def test_the_teacher_teaches_in_eval_mode_and_is_not_changed(batches):
    teacher = small(1, dropout=0.5)
    before = weights(teacher)
    runs = []
    for mode in (True, False):
        student = small(0)
        distill(student, teacher.train(mode), batches, DistillConfig(alpha=1.0), progress=False)
        runs.append(weights(student))
    assert torch.equal(*runs)  # dropout in the teacher would make them differ
    assert torch.equal(weights(teacher), before)
    assert not teacher.training and not any(parameter.requires_grad for parameter in teacher.parameters())


def test_the_student_trains_with_dropout_and_comes_back_in_eval_mode(batches):
    runs = []
    for seed in (0, 0, 1):
        student = small(0, dropout=0.5)
        torch.manual_seed(seed)
        distill(student, small(1), batches, progress=False)
        assert not student.training
        runs.append(weights(student))
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


def test_with_alpha_zero_the_teacher_does_not_matter(batches):
    runs = []
    for teacher in (small(1), None):
        student = small(0)
        distill(student, teacher, batches, DistillConfig(alpha=0.0), progress=False)
        runs.append(weights(student))
    torch.testing.assert_close(*runs)
    taught = small(0)
    distill(taught, small(1), batches, DistillConfig(alpha=0.5), progress=False)
    assert not torch.allclose(weights(taught), runs[0])


def test_with_alpha_one_the_student_becomes_its_teacher():
    ids = torch.randint(0, 5, (32, 6), generator=torch.Generator().manual_seed(0))
    student, teacher = small(0), small(1)
    teacher.lm_head.weight.data *= 30  # a confident teacher
    batches = make_batches(whole_rows(ids), 16)
    config = DistillConfig(steps=150, alpha=1.0, learning_rate=3e-2)
    history = distill(student, teacher, batches, config, progress=False)
    assert history.losses[-1] < history.losses[0] / 10


def test_arguments_outside_their_range_are_refused(batches):
    with pytest.raises(ValueError, match="batches holds 0"):
        distill(small(0), small(1), [], DistillConfig(steps=5), progress=False)
    with pytest.raises(ValueError, match="teacher is None and alpha is 0.5"):
        distill(small(0), None, batches, progress=False)
    for name, value in [("temperature", 0), ("alpha", 2), ("steps", 0), ("accumulate", 0), ("chunk", 0)]:
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            DistillConfig(**{name: value})
    with pytest.raises(ValueError, match="precision is torch.float16"):
        DistillConfig(precision=torch.float16)
    with pytest.raises(ValueError, match="every is 0"):
        Checkpointer("run", every=0)


def test_the_bar_can_be_switched_off(batches, capsys):
    distill(small(0), small(1), batches, progress=False)
    assert capsys.readouterr().err == ""
    distill(small(0), small(1), batches, progress=True)
    assert "2/2" in capsys.readouterr().err


def test_count_parameters_counts_frozen_ones_and_tied_ones_once():
    layer = torch.nn.Linear(3, 4)
    model = torch.nn.Sequential(layer, layer, torch.nn.BatchNorm1d(4))  # BatchNorm: 8 weights, and buffers
    layer.weight.requires_grad_(False)
    assert count_parameters(model) == 3 * 4 + 4 + 8


def test_accumulated_batches_take_the_step_of_one_large_batch():
    """Rows with very different counts, so that a mean of the batches' means would be another number."""
    ids = torch.randint(0, 5, (8, 6), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[:6, 2:] = 0
    rows = {"input_ids": ids, "attention_mask": mask}
    runs = []
    for batch_size, accumulate in [(8, 1), (2, 4), (3, 3)]:
        student = small(0)
        batches = list(make_batches(rows, batch_size))
        config = DistillConfig(steps=3, accumulate=accumulate)
        history = distill(student, small(1), batches, config, progress=False)
        assert history.tokens == [6 * 1 + 2 * 5] * 3
        runs.append((student, history.losses))
    for student, losses in runs[1:]:
        assert losses == pytest.approx(runs[0][1], rel=1e-5)
        assert_same(student, runs[0][0])


def test_the_default_is_one_pass_over_the_batches(batches):
    for accumulate, steps in [(1, 2), (2, 1)]:
        config = DistillConfig(alpha=0.0, accumulate=accumulate)
        assert len(distill(small(0), None, batches, config, progress=False).losses) == steps


def shuffled(seed=7):
    ids = torch.randint(0, 5, (12, 6), generator=torch.Generator().manual_seed(0))
    return make_batches(whole_rows(ids), 4, seed=seed)


def run_with_dropout(batches, path=None, every=50, seed=11, on_step=None, **config):
    """Seven steps of two batches, three batches a pass, with dropout."""
    student = small(0, dropout=0.5)
    torch.manual_seed(seed)
    config = DistillConfig(steps=7, accumulate=2, **config)
    checkpoint = None if path is None else Checkpointer(path, every=every)
    return student, distill(student, small(1), batches, config, checkpoint=checkpoint, on_step=on_step, progress=False)


@pytest.mark.parametrize("same_batches", [True, False])
def test_an_interrupted_run_resumes_with_the_same_numbers(tmp_path, same_batches):
    expected, whole = run_with_dropout(shuffled())

    def interrupt(step, history):
        assert len(history.losses) == step
        if step == 4:
            signal.raise_signal(signal.SIGINT)

    batches = shuffled()
    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run_with_dropout(batches, path, on_step=interrupt)
    again = batches if same_batches else shuffled()  # an interrupted cell is run again; a new process starts afresh
    seen = []
    student, history = run_with_dropout(again, path, seed=12, on_step=lambda step, _: seen.append(step))
    assert seen == [5, 6, 7]
    assert history == whole
    assert torch.equal(weights(student), weights(expected))


def test_a_killed_run_resumes_from_its_last_checkpoint(tmp_path):
    expected, whole = run_with_dropout(shuffled())

    def die(step, history):
        if step == 5:
            raise SystemExit  # nothing is saved now, as when the power fails

    path = tmp_path / "run.safetensors"
    with pytest.raises(SystemExit):
        run_with_dropout(shuffled(), path, every=2, on_step=die)
    seen = []
    student, history = run_with_dropout(shuffled(), path, seed=12, on_step=lambda step, _: seen.append(step))
    assert seen == [5, 6, 7]
    assert history == whole and torch.equal(weights(student), weights(expected))


def test_a_finished_run_is_read_and_not_repeated(tmp_path):
    path = tmp_path / "run.safetensors"
    trained, history = run_with_dropout(shuffled(), path)
    again, history_again = run_with_dropout(shuffled(), path, on_step=lambda *_: pytest.fail("a step"))
    assert history_again == history and torch.equal(weights(again), weights(trained))


def test_a_checkpoint_with_other_settings_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    run_with_dropout(shuffled(), path)
    with pytest.raises(ValueError, match="alpha was 0.5 and is 0.25"):
        run_with_dropout(shuffled(), path, alpha=0.25)


@pytest.mark.parametrize("changed", ["teacher", "text", "seed of the order"])
def test_a_checkpoint_of_another_teacher_text_or_order_is_refused(tmp_path, changed):
    ids = shuffled().dataset[0]["input_ids"].repeat(8, 1) * torch.arange(8)[:, None] % 5
    others = {"teacher": {"teacher": small(2)}, "text": {"ids": ids.flip(1)}, "seed of the order": {"seed": 1}}

    def run(teacher=None, ids=ids, seed=0):
        batches = make_batches(whole_rows(ids), 2, seed)
        checkpoint = Checkpointer(tmp_path / "run")
        return distill(small(0), teacher or small(1), batches, checkpoint=checkpoint, progress=False)

    run()
    run()  # the same again is read
    with pytest.raises(ValueError, match=f"other settings: {changed} was "):
        run(**others[changed])


def test_a_run_resumes_in_the_precision_it_began_with(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    _, history = run_with_dropout(shuffled(), path, precision=torch.bfloat16)
    monkeypatch.setattr("helpers.training.choose_precision", lambda model: torch.float32)  # a slow moment, say
    assert run_with_dropout(shuffled(), path)[1] == history
    with pytest.raises(ValueError, match="precision was torch.bfloat16 and is torch.float32"):
        run_with_dropout(shuffled(), path, precision=torch.float32)


def test_an_order_that_cannot_be_repeated_cannot_be_checkpointed(tmp_path):
    loader = torch.utils.data.DataLoader(shuffled().dataset, 4, shuffle=True)
    with pytest.raises(ValueError, match="generator"):
        run_with_dropout(loader, tmp_path / "run")


def test_an_interrupt_without_a_checkpoint_stops_the_run_after_the_step(batches):
    student = small(0)
    steps = []

    def interrupt(step, history):
        steps.append(step)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        distill(student, small(1), batches, DistillConfig(steps=5), on_step=interrupt, progress=False)
    assert steps == [1] and not student.training


def test_an_interrupt_in_the_last_step_is_not_lost(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_with_dropout(
            shuffled(), tmp_path / "run",
            on_step=lambda step, _: signal.raise_signal(signal.SIGINT) if step == 7 else None,
        )  # fmt: skip
    _, history = run_with_dropout(shuffled(), tmp_path / "run")
    assert len(history.losses) == 7


def test_bfloat16_products_change_a_run_a_little_and_weights_stay_in_float32(batches):
    losses = {}
    for precision in (torch.float32, torch.bfloat16):
        student = small(0)
        history = distill(student, small(1), batches, DistillConfig(steps=4, precision=precision), progress=False)
        assert student.lm_head.weight.dtype == torch.float32
        losses[precision] = torch.tensor(history.losses)
    difference = (losses[torch.float32] - losses[torch.bfloat16]).abs().max()
    assert 0 < difference < 0.02


def test_a_compiled_student_takes_the_same_steps(batches):
    runs = []
    for backend in (None, "eager"):  # traced as for any backend, then run as it is
        student = small(0)
        history = distill(student, small(1), batches, DistillConfig(steps=3, compile=backend), progress=False)
        runs.append((student, history.losses))
    assert runs[1][1] == pytest.approx(runs[0][1], rel=1e-5)
    assert_same(runs[1][0], runs[0][0])


def one_of_two(rank, port, batches, folder):
    """What each process does: a whole run, then the same run with an interrupt in the second process, resumed."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    os.environ["MASTER_PORT"] = str(port)
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)

    def run(name, on_step=None):
        student = small(rank)  # the second process starts elsewhere: it must take the first one's weights
        history = distill(student, small(9), batches, DistillConfig(steps=5), accelerator=accelerator, progress=False,
                          checkpoint=Checkpointer(folder / f"{name}.safetensors"), on_step=on_step)  # fmt: skip
        return student, history

    student, history = run("whole")
    save_model(student, str(folder / f"student{rank}.safetensors"))
    stopped_after = []

    def interrupt(step, _):
        stopped_after[:] = [step]
        if rank == 1 and step == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run("interrupted", interrupt)
    resumed = run("interrupted")[1].losses
    record = [accelerator.num_processes, history.losses, history.tokens, stopped_after, resumed]
    (folder / f"history{rank}.json").write_text(json.dumps(record))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one_that_accumulates(tmp_path):
    ids = torch.randint(0, 5, (8, 6), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[:2, 2:] = 0  # the processes count different numbers of tokens in a step
    mask[6:, 3:] = 0
    batches = list(make_batches({"input_ids": ids, "attention_mask": mask}, 2))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may never end
    processes = [context.Process(target=one_of_two, args=(rank, port, batches, tmp_path)) for rank in range(2)]
    for process in processes:
        process.start()
    student = small(0)
    history = distill(student, small(9), batches, DistillConfig(steps=5, accumulate=2), progress=False)
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    for rank in range(2):
        count, losses, tokens, stopped_after, resumed = json.loads((tmp_path / f"history{rank}.json").read_text())
        assert count == 2 and tokens == history.tokens
        assert losses == pytest.approx(history.losses, rel=1e-5)
        assert stopped_after == [2] and resumed == losses  # an interrupt in one process stops both at the same step
        taught = small(3)
        load_model(taught, str(tmp_path / f"student{rank}.safetensors"))
        assert_same(taught, student)
    assert load_file(str(tmp_path / "whole.safetensors"))["random"].shape[0] == 2  # each process's own
