"""helpers.engine.logit_cache: equal to the plain loss where all is kept, unbiased where sampled, and never mixed up."""

import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from helpers.data.batches import make_batches
from helpers.engine.chunked_loss import batch_loss, counted_labels, model_targets
from helpers.engine.logit_cache import TeacherCache, bucketed_kl, keep_answers, number_rows, sampled_kl
from helpers.losses import forward_kl
from helpers.models import new_model
from helpers.training import DistillConfig, distill, freeze

VOCABULARY, LENGTH, T = 23, 6, 2.0


def model(seed):
    return new_model(layers=1, width=8, heads=2, vocabulary=VOCABULARY, positions=LENGTH, seed=seed)


@pytest.fixture
def teacher():
    made = freeze(model(1))
    made.lm_head.weight.data *= 20  # a teacher with an opinion
    return made


@pytest.fixture
def rows():
    ids = torch.randint(0, VOCABULARY, (10, LENGTH), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[3, 4:] = 0
    mask[7, :2] = 0
    return number_rows({"input_ids": ids, "attention_mask": mask})


def keep(folder, teacher, rows, **options):
    return keep_answers(folder, teacher, rows, **{"temperature": T, "batch_size": 4, "progress": False} | options)


def gradient(student, targets, batch, chunk=None):
    student.zero_grad()
    loss = batch_loss(student, targets, batch, temperature=T, alpha=1.0, total=10, chunk=chunk)
    loss.backward()
    return loss.item(), torch.cat([parameter.grad.flatten() for parameter in student.parameters()])


@pytest.mark.parametrize("values", [np.float32, np.float16])
def test_with_all_tokens_kept_the_loss_and_its_gradient_are_the_plain_ones(tmp_path, teacher, rows, values):
    cache = keep(tmp_path / "kept", teacher, rows, k=VOCABULARY, values=values)
    student = model(0)
    tolerance = 1e-6 if values is np.float32 else 2e-3
    for batch in make_batches(rows, 3, seed=5):
        plain, wanted = gradient(student, model_targets(teacher, batch), batch)
        loss, found = gradient(student, cache.targets(batch), batch, chunk=7)
        assert loss == pytest.approx(plain, abs=tolerance)
        torch.testing.assert_close(found, wanted, atol=tolerance, rtol=1e-3)


def test_a_run_from_kept_answers_takes_the_steps_of_a_run_with_the_teacher(tmp_path, teacher, rows):
    cache = keep(tmp_path / "kept", teacher, rows, k=VOCABULARY, values=np.float32)
    losses = []
    for source in (teacher, cache):
        torch.manual_seed(3)  # the student trains with dropout
        batches = make_batches(rows, 4, seed=2)  # shuffled, so that answers must find their rows
        losses.append(distill(model(0), source, batches, DistillConfig(steps=7, temperature=T), progress=False).losses)
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def log_probs(seed, count=5, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(count, VOCABULARY, generator=generator, dtype=torch.float64) * scale).log_softmax(dim=-1)


@pytest.mark.parametrize("k", [1, 4, VOCABULARY - 1])
def test_the_bucket_holds_the_probability_of_all_others(k):
    """Against a reference in probability space; and less than the true KL, because the tail has lost its order."""
    student, teacher = log_probs(0), log_probs(1)
    best = teacher.topk(k, dim=-1)
    kept = torch.cat([best.values, (1 - best.values.exp().sum(1, keepdim=True)).log()], dim=1)
    student.requires_grad_()
    found = bucketed_kl(student, best.indices, kept)
    expected = []
    for p, q, chosen in zip(teacher.exp(), student.exp(), best.indices.tolist(), strict=True):
        total = sum(p[i] * torch.log(p[i] / q[i]) for i in chosen)
        rest = [i for i in range(VOCABULARY) if i not in chosen]
        expected.append(total + p[rest].sum() * torch.log(p[rest].sum() / q[rest].sum()))
    torch.testing.assert_close(found, torch.stack(expected))
    (found_gradient,) = torch.autograd.grad(found.sum(), student)
    (wanted_gradient,) = torch.autograd.grad(torch.stack(expected).sum(), student)
    torch.testing.assert_close(found_gradient, wanted_gradient)
    true = (teacher.exp() * (teacher - student)).sum(dim=1)
    assert (found < true).all() if k < VOCABULARY - 1 else torch.allclose(found, true)


def test_more_tokens_make_the_bias_smaller():
    student, teacher = log_probs(0), log_probs(1)
    true = (teacher.exp() * (teacher - student)).sum(dim=1).mean()
    gaps = []
    for k in (1, 3, 8, 16):
        best = teacher.topk(k, dim=-1)
        kept = torch.cat([best.values, (1 - best.values.exp().sum(1, keepdim=True)).log()], dim=1)
        gaps.append(float(true - bucketed_kl(student, best.indices, kept).mean()))
    assert gaps == sorted(gaps, reverse=True) and gaps[0] > 20 * gaps[-1] > 0


@pytest.mark.parametrize("power", [1.0, 0.6])
def test_samples_are_right_in_the_mean_in_value_and_in_gradient(tmp_path, teacher, rows, power):
    """The mean of n draws nears the full loss like 1 / sqrt(n); weights that are off would stay off."""
    batch = number_rows({name: rows[name].repeat(20, 1) for name in ("input_ids", "attention_mask")})  # 20 draws each
    student = model(0)
    true, wanted = gradient(student, model_targets(teacher, batch), batch)
    values, gradients = [], []
    for seed in range(25):
        cache = keep(tmp_path / str(seed), teacher, batch, batch_size=200, k=8, form="sampled", power=power, seed=seed)
        value, found = gradient(student, cache.targets(batch), batch)
        values.append(value)
        gradients.append(found)
    values, gradients = torch.tensor(values), torch.stack(gradients)
    spread = values.std() / len(values) ** 0.5
    assert abs(values.mean() - true) < 4 * spread + 2e-3
    noise = (gradients.var(dim=0) / len(values)).sum().sqrt()
    assert (gradients.mean(dim=0) - wanted).norm() < 2 * noise  # all weights together: no room for a common bias
    assert noise < wanted.norm() / 5
    top = keep(tmp_path / "top", teacher, batch, k=1)
    assert (gradient(student, top.targets(batch), batch)[1] - wanted).norm() > 2 * noise  # which is seen here


def test_weights_of_samples_make_up_for_how_they_were_drawn():
    teacher, student = log_probs(1), log_probs(0)
    draws = torch.multinomial((0.5 * teacher).softmax(1), 4, replacement=True)
    r = (0.5 * teacher).log_softmax(1)
    weights = torch.cat([(teacher - r).gather(1, draws).exp() / 4, torch.zeros(5, 1)], dim=1)
    expected = [
        -sum(teacher[n].exp()[i] / r[n].exp()[i] / 4 * student[n, i] for i in draws[n].tolist()) for n in range(5)
    ]
    torch.testing.assert_close(sampled_kl(student, draws, weights), torch.stack(expected))


def test_bytes_per_token_are_those_of_the_files(tmp_path, teacher, rows):
    cache = keep(tmp_path / "kept", teacher, rows, k=5)
    positions = 10 * (LENGTH - 1)
    assert cache.bytes_per_token == 5 * (2 + 2) + 2
    size = sum((tmp_path / "kept" / f"{name}.npy").stat().st_size for name in ("tokens", "values"))
    assert positions * cache.bytes_per_token <= size <= positions * cache.bytes_per_token + 2 * 128
    assert isinstance(cache.tokens, np.memmap) and isinstance(cache.values, np.memmap)


def test_what_is_kept_is_taken_and_the_teacher_is_not_asked_again(tmp_path, teacher, rows):
    keep(tmp_path / "kept", teacher, rows, k=5)
    teacher.forward = teacher.transformer.forward = lambda *_, **__: pytest.fail("the teacher was asked")
    again = keep(tmp_path / "kept", teacher, rows, k=5)
    assert again.about["k"] == 5


def test_answers_that_are_others_are_refused_by_name(tmp_path, teacher, rows):
    keep(tmp_path / "kept", teacher, rows, k=5)
    with pytest.raises(ValueError, match="k was 5 and is 6"):
        keep(tmp_path / "kept", teacher, rows, k=6)
    with pytest.raises(ValueError, match="teacher was"):
        keep(tmp_path / "kept", freeze(model(2)), rows, k=5)
    with pytest.raises(ValueError, match="rows was"):
        keep(tmp_path / "kept", teacher, rows | {"input_ids": rows["input_ids"].flip(0)}, k=5)


def test_batches_that_do_not_fit_are_refused(tmp_path, teacher, rows):
    cache = keep(tmp_path / "kept", teacher, rows, k=5)
    with pytest.raises(ValueError, match="no row numbers"):
        cache.targets({"input_ids": rows["input_ids"], "attention_mask": rows["attention_mask"]})
    for changed in ({"input_ids": rows["input_ids"].flip(0)}, {"row": rows["row"] + 5}):
        with pytest.raises(ValueError, match="answers to other rows"):
            cache.targets(rows | changed)
    longer = rows["attention_mask"].clone()
    longer[:, :] = 1
    with pytest.raises(ValueError, match="answers to other rows"):
        cache.targets(rows | {"attention_mask": longer})
    logits, part = torch.zeros(3, VOCABULARY + 1), slice(0, 3)
    with pytest.raises(ValueError, match=f"V = {VOCABULARY + 1}, and .* V = {VOCABULARY}"):
        cache.targets(rows)(part, 2.0)(logits, slice(None))
    with pytest.raises(ValueError, match="temperature is 3.0, and .* holds answers at 2.0"):
        distill(model(0), cache, make_batches(rows, 4), DistillConfig(temperature=3.0), progress=False)


def test_of_two_who_want_the_same_answers_one_asks_the_teacher_and_both_get_them(tmp_path, teacher, rows):
    """The second waits for the first: without that, it would take away the files that the first one is writing."""
    forward, second, found = teacher.transformer.forward, [], []

    def starts_the_second(*arguments, **options):
        if not second:
            second.append(threading.Thread(target=lambda: found.append(keep(tmp_path / "kept", teacher, rows, k=5))))
            second[0].start()
        return forward(*arguments, **options)

    teacher.transformer.forward = starts_the_second
    found.append(keep(tmp_path / "kept", teacher, rows, k=5))
    second[0].join()
    alone = keep(tmp_path / "alone", teacher, rows, k=5)
    assert len(found) == 2
    for cache in found:
        assert np.array_equal(cache.tokens, alone.tokens) and np.array_equal(cache.values, alone.values)


def test_answers_that_are_there_say_in_which_precision(tmp_path, teacher, rows, monkeypatch):
    keep(tmp_path / "kept", teacher, rows, k=5, precision=torch.bfloat16)
    monkeypatch.setattr("helpers.engine.logit_cache.choose_precision", lambda model: torch.float32)
    assert keep(tmp_path / "kept", teacher, rows, k=5).about["precision"] == "torch.bfloat16"


def test_a_teacher_that_is_interrupted_leaves_nothing_that_could_be_taken_for_answers(tmp_path, teacher, rows):
    forward, calls = teacher.transformer.forward, []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return forward(*arguments, **options)

    teacher.transformer.forward = interrupted
    with pytest.raises(KeyboardInterrupt):
        keep(tmp_path / "kept", teacher, rows, k=5)
    with pytest.raises(FileNotFoundError):
        TeacherCache(tmp_path / "kept")
    assert keep(tmp_path / "kept", teacher, rows, k=5).tokens.shape == (10, LENGTH - 1, 5)


def test_nothing_counted_is_zero(tmp_path, teacher, rows):
    rows["attention_mask"] = torch.zeros_like(rows["attention_mask"])
    for form in ("top", "sampled"):
        cache = keep(tmp_path / form, teacher, rows, k=5, form=form)
        loss, found = gradient(model(0), cache.targets(rows), rows)
        assert loss == 0 and torch.equal(found, torch.zeros_like(found))


def test_arguments_that_cannot_be_right_are_refused(tmp_path, teacher, rows):
    for changed, message in [({"k": 0}, "k is 0"), ({"k": VOCABULARY + 1}, "at most the vocabulary of 23"),
                             ({"form": "best"}, 'form is "best"'), ({"power": 0}, "power is 0"),
                             ({"temperature": 0}, "temperature is 0")]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            keep(tmp_path / "kept", teacher, rows, **({"k": 5} | changed))
    assert not (tmp_path / "kept").exists()


def test_the_disk_is_asked_beforehand(tmp_path, teacher, rows, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(OSError, match="the disk has less"):
        keep(tmp_path / "kept", teacher, rows, k=5)


def test_values_are_the_teachers_own_at_this_temperature(tmp_path, teacher, rows):
    cache = keep(tmp_path / "kept", teacher, rows, k=3, values=np.float32)
    counted, _ = counted_labels(rows)
    with torch.no_grad():
        logits = teacher(rows["input_ids"], attention_mask=rows["attention_mask"]).logits[:, :-1][counted]
    wanted = F.log_softmax(logits / T, dim=-1).topk(3).values
    torch.testing.assert_close(torch.from_numpy(np.array(cache.values))[counted][:, :3], wanted, atol=1e-5, rtol=1e-4)
    zero = forward_kl(logits, logits, None, T)
    assert float(cache.targets(rows)(slice(None), T)(logits, slice(None))) == pytest.approx(float(zero), abs=1e-5)
