"""helpers.engine.logit_cache: the plain loss where all logits are stored, unbiased where sampled, never mixed up."""

import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from helpers.data.batches import make_batches
from helpers.engine.chunked_loss import batch_loss, counted_labels, model_targets
from helpers.engine.logit_cache import LogitCache, cache_teacher_logits, number_rows
from helpers.engine.logit_compression import Sampled, TopK
from helpers.engine.teacher import freeze
from helpers.losses import forward_kl
from helpers.models import new_model
from helpers.training import DistillConfig, distill

VOCABULARY, LENGTH, T = 23, 6, 2.0


def model(seed):
    return new_model(layers=1, width=8, heads=2, vocabulary=VOCABULARY, positions=LENGTH, seed=seed)


@pytest.fixture
def teacher():
    made = freeze(model(1))
    made.lm_head.weight.data *= 20  # a confident teacher
    return made


@pytest.fixture
def rows():
    ids = torch.randint(0, VOCABULARY, (10, LENGTH), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[3, 4:] = 0
    mask[7, :2] = 0
    return number_rows({"input_ids": ids, "attention_mask": mask})


def cache_of(folder, teacher, rows, method=None, **options):
    defaults = {"temperature": T, "batch_size": 4, "progress": False}
    return cache_teacher_logits(folder, teacher, rows, method or TopK(5), **defaults | options)


def gradient(student, targets, batch, chunk=None):
    student.zero_grad()
    loss = batch_loss(student, targets, batch, temperature=T, alpha=1.0, total=10, chunk=chunk)
    loss.backward()
    return loss.item(), torch.cat([parameter.grad.flatten() for parameter in student.parameters()])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_with_k_equal_to_v_loss_and_gradient_are_the_plain_ones(tmp_path, teacher, rows, dtype):
    cache = cache_of(tmp_path / "cache", teacher, rows, TopK(VOCABULARY, dtype))
    student = model(0)
    tolerance = 1e-6 if dtype == "float32" else 2e-3
    for batch in make_batches(rows, 3, seed=5):
        plain, wanted = gradient(student, model_targets(teacher, batch), batch)
        loss, found = gradient(student, cache.targets(batch), batch, chunk=7)
        assert loss == pytest.approx(plain, abs=tolerance)
        torch.testing.assert_close(found, wanted, atol=tolerance, rtol=1e-3)


def test_a_run_from_the_cache_takes_the_steps_of_a_run_with_the_teacher(tmp_path, teacher, rows):
    cache = cache_of(tmp_path / "cache", teacher, rows, TopK(VOCABULARY, "float32"))
    losses = []
    for source in (teacher, cache):
        torch.manual_seed(3)  # the student trains with dropout
        batches = make_batches(rows, 4, seed=2)  # shuffled, so that the outputs must find their rows
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
    found = TopK.kl(student, best.indices, kept)
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
        gaps.append(float(true - TopK.kl(student, best.indices, kept).mean()))
    assert gaps == sorted(gaps, reverse=True) and gaps[0] > 20 * gaps[-1] > 0


@pytest.mark.parametrize("power", [1.0, 0.6])
def test_samples_have_no_bias_in_value_or_gradient(tmp_path, teacher, rows, power):
    """The mean of n draws nears the full loss like 1 / sqrt(n); weights that are off would stay off."""
    batch = number_rows({name: rows[name].repeat(20, 1) for name in ("input_ids", "attention_mask")})  # 20 draws each
    student = model(0)
    true, wanted = gradient(student, model_targets(teacher, batch), batch)
    values, gradients = [], []
    for seed in range(25):
        cache = cache_of(tmp_path / str(seed), teacher, batch, Sampled(8, power, seed), batch_size=200)
        value, found = gradient(student, cache.targets(batch), batch)
        values.append(value)
        gradients.append(found)
    values, gradients = torch.tensor(values), torch.stack(gradients)
    spread = values.std() / len(values) ** 0.5
    assert abs(values.mean() - true) < 4 * spread + 2e-3
    noise = (gradients.var(dim=0) / len(values)).sum().sqrt()
    assert (gradients.mean(dim=0) - wanted).norm() < 2 * noise  # all weights together: no room for a common bias
    assert noise < wanted.norm() / 5
    top = cache_of(tmp_path / "top", teacher, batch, TopK(1))
    assert (gradient(student, top.targets(batch), batch)[1] - wanted).norm() > 2 * noise  # which is seen here


def test_weights_of_samples_make_up_for_how_they_were_drawn():
    teacher, student = log_probs(1), log_probs(0)
    draws = torch.multinomial((0.5 * teacher).softmax(1), 4, replacement=True)
    r = (0.5 * teacher).log_softmax(1)
    weights = torch.cat([(teacher - r).gather(1, draws).exp() / 4, torch.zeros(5, 1)], dim=1)
    expected = [
        -sum(teacher[n].exp()[i] / r[n].exp()[i] / 4 * student[n, i] for i in draws[n].tolist()) for n in range(5)
    ]
    torch.testing.assert_close(Sampled.kl(student, draws, weights), torch.stack(expected))


def test_bytes_per_token_are_those_of_the_files(tmp_path, teacher, rows):
    cache = cache_of(tmp_path / "cache", teacher, rows)
    positions = 10 * (LENGTH - 1)
    assert cache.bytes_per_token == 5 * (2 + 2) + 2
    size = sum((tmp_path / "cache" / f"{name}.npy").stat().st_size for name in ("tokens", "values"))
    assert positions * cache.bytes_per_token <= size <= positions * cache.bytes_per_token + 2 * 128
    assert isinstance(cache.tokens, np.memmap) and isinstance(cache.values, np.memmap)


def test_an_existing_cache_is_opened_without_running_the_teacher(tmp_path, teacher, rows):
    cache_of(tmp_path / "cache", teacher, rows)
    teacher.forward = teacher.transformer.forward = lambda *_, **__: pytest.fail("the teacher was asked")
    again = cache_of(tmp_path / "cache", teacher, rows)
    assert again.metadata["k"] == 5


def test_a_cache_of_other_outputs_is_refused_by_name(tmp_path, teacher, rows):
    cache_of(tmp_path / "cache", teacher, rows, TopK(5))
    with pytest.raises(ValueError, match="k was 5 and is 6"):
        cache_of(tmp_path / "cache", teacher, rows, TopK(6))
    with pytest.raises(ValueError, match="method was top_k and is sampled; proposal_power was None and is 0.5"):
        cache_of(tmp_path / "cache", teacher, rows, Sampled(5, proposal_power=0.5))
    with pytest.raises(ValueError, match="teacher was"):
        cache_of(tmp_path / "cache", freeze(model(2)), rows)
    with pytest.raises(ValueError, match="rows was"):
        cache_of(tmp_path / "cache", teacher, rows | {"input_ids": rows["input_ids"].flip(0)})


def test_a_cache_of_an_older_version_or_a_damaged_one_is_refused(tmp_path, teacher, rows):
    for name, text, message in [("about.json", "{}", "older version; delete it"),
                                ("metadata.json", "{", "is damaged .*; delete the folder")]:  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text(text)
        for open_cache in (LogitCache, lambda folder: cache_of(folder, teacher, rows)):
            with pytest.raises(ValueError, match=message):
                open_cache(folder)


def test_batches_that_do_not_fit_are_refused(tmp_path, teacher, rows):
    cache = cache_of(tmp_path / "cache", teacher, rows)
    with pytest.raises(ValueError, match="no row numbers"):
        cache.targets({"input_ids": rows["input_ids"], "attention_mask": rows["attention_mask"]})
    for changed in ({"input_ids": rows["input_ids"].flip(0)}, {"row": rows["row"] + 5}):
        with pytest.raises(ValueError, match="outputs for other rows"):
            cache.targets(rows | changed)
    longer = rows["attention_mask"].clone()
    longer[:, :] = 1
    with pytest.raises(ValueError, match="outputs for other rows"):
        cache.targets(rows | {"attention_mask": longer})
    logits, part = torch.zeros(3, VOCABULARY + 1), slice(0, 3)
    with pytest.raises(ValueError, match=f"V = {VOCABULARY + 1}, and .* V = {VOCABULARY}"):
        cache.targets(rows).chunk(part, 2.0).kl(logits, slice(None))
    with pytest.raises(ValueError, match="temperature is 3.0, and .* holds outputs at 2.0"):
        distill(model(0), cache, make_batches(rows, 4), DistillConfig(temperature=3.0), progress=False)


def test_of_two_that_want_the_same_cache_one_runs_the_teacher_and_both_get_it(tmp_path, teacher, rows):
    """The second waits for the first: without that, it would take away the files that the first one is writing."""
    forward, second, found = teacher.transformer.forward, [], []

    def starts_the_second(*arguments, **options):
        if not second:
            second.append(threading.Thread(target=lambda: found.append(cache_of(tmp_path / "cache", teacher, rows))))
            second[0].start()
        return forward(*arguments, **options)

    teacher.transformer.forward = starts_the_second
    found.append(cache_of(tmp_path / "cache", teacher, rows))
    second[0].join()
    alone = cache_of(tmp_path / "alone", teacher, rows)
    assert len(found) == 2
    for cache in found:
        assert np.array_equal(cache.tokens, alone.tokens) and np.array_equal(cache.values, alone.values)


def test_an_existing_cache_decides_the_precision(tmp_path, teacher, rows, monkeypatch):
    cache_of(tmp_path / "cache", teacher, rows, precision=torch.bfloat16)
    monkeypatch.setattr("helpers.engine.logit_cache.choose_precision", lambda model: torch.float32)
    assert cache_of(tmp_path / "cache", teacher, rows).metadata["precision"] == "bfloat16"


def test_a_teacher_that_is_interrupted_leaves_nothing_that_could_be_taken_for_a_cache(tmp_path, teacher, rows):
    forward, calls = teacher.transformer.forward, []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return forward(*arguments, **options)

    teacher.transformer.forward = interrupted
    with pytest.raises(KeyboardInterrupt):
        cache_of(tmp_path / "cache", teacher, rows)
    with pytest.raises(FileNotFoundError):
        LogitCache(tmp_path / "cache")
    assert cache_of(tmp_path / "cache", teacher, rows).tokens.shape == (10, LENGTH - 1, 5)


def test_nothing_counted_is_zero(tmp_path, teacher, rows):
    rows["attention_mask"] = torch.zeros_like(rows["attention_mask"])
    for method in (TopK(5), Sampled(5)):
        cache = cache_of(tmp_path / method.name, teacher, rows, method)
        loss, found = gradient(model(0), cache.targets(rows), rows)
        assert loss == 0 and torch.equal(found, torch.zeros_like(found))


def test_arguments_outside_their_range_are_refused(tmp_path, teacher, rows):
    for method, message in [(TopK(0), "k is 0"), (TopK(VOCABULARY + 1), "at most the vocabulary of 23"),
                            (Sampled(0), "k is 0"), (Sampled(5, proposal_power=0), "proposal_power is 0")]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            cache_of(tmp_path / "cache", teacher, rows, method)
    with pytest.raises(ValueError, match="temperature is 0"):
        cache_of(tmp_path / "cache", teacher, rows, temperature=0)
    assert not (tmp_path / "cache").exists()


def test_too_little_disk_space_is_noticed_beforehand(tmp_path, teacher, rows, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(OSError, match="the disk has less"):
        cache_of(tmp_path / "cache", teacher, rows)


def test_values_are_the_teachers_own_at_this_temperature(tmp_path, teacher, rows):
    cache = cache_of(tmp_path / "cache", teacher, rows, TopK(3, "float32"))
    counted, _ = counted_labels(rows)
    with torch.no_grad():
        logits = teacher(rows["input_ids"], attention_mask=rows["attention_mask"]).logits[:, :-1][counted]
    wanted = F.log_softmax(logits / T, dim=-1).topk(3).values
    torch.testing.assert_close(torch.from_numpy(np.array(cache.values))[counted][:, :3], wanted, atol=1e-5, rtol=1e-4)
    zero = forward_kl(logits, logits, None, T)
    assert float(cache.targets(rows).chunk(slice(None), T).kl(logits, slice(None))) == pytest.approx(
        float(zero), abs=1e-5
    )
