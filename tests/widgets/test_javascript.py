"""What the explorers compute in the browser, against torch. The JavaScript runs in Node, which Playwright brings."""

import json
import math
import shutil
import subprocess
from pathlib import Path

import playwright
import pytest
import torch
import torch.nn.functional as F

from helpers.losses import distillation_loss, forward_kl
from helpers.speculative import acceptance, residual, speed_up
from helpers.widgets.base import module_source

NODE = shutil.which("node") or str(Path(playwright.__file__).parent / "driver" / "node")
torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    """A function that calls pure functions of an explorer: [(name, arguments), …] → results."""
    folder = tmp_path_factory.mktemp("modules")

    def run(explorer: str, *calls):
        file = folder / f"{explorer}.mjs"
        file.write_text(module_source(explorer), encoding="utf-8")
        script = (
            "const [url, calls] = JSON.parse(process.argv[1]); const { pure } = (await import(url)).default;"
            "const open = (key, x) => x instanceof Float64Array ? Array.from(x) : x;"
            "console.log(JSON.stringify(calls.map(([name, given]) => pure[name](...given)), open));"
        )
        given = json.dumps([file.as_uri(), calls])
        command = [NODE, "--input-type=module", "-e", script, given]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def close(found, expected, tolerance=1e-9):
    found, expected = (torch.as_tensor(values, dtype=torch.float64) for values in (found, expected))
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, rtol=1e-9, atol=tolerance), (found, expected)


def random_logits(count, seed, scale=3.0):
    return scale * torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_measures_of_a_distribution(call):
    rows = [random_logits(count, count) for count in (2, 3, 50, 200)] + [
        torch.tensor([1000.0, -1000.0, 999.0]).double()
    ]
    cases = [(row, t) for row in rows for t in (0.1, 1.0, 2.5, 20.0)]
    answers = call("temperature", *[("measures", [row.tolist(), t]) for row, t in cases])
    for (row, t), found in zip(cases, answers, strict=True):
        p = (row / t).softmax(-1)
        nats = -torch.xlogy(p, p).sum()
        close(found["probabilities"], p)
        close(found["nats"], nats)
        close(found["bits"], nats / math.log(2))
        close(found["choices"], nats.exp(), 1e-8)
        close(found["outside"], 1 - p.max())


def test_the_chapters_example_comes_out_right(call):
    """5, 2, 0.5 is 0.943/0.047/0.010, 0.753/0.168/0.079 and 0.556/0.263/0.181: not what the chapter prints."""
    answers = call("temperature", *[("softmax", [[5, 2, 0.5], t]) for t in (1, 2, 4)])
    due = [[0.943, 0.047, 0.010], [0.753, 0.168, 0.079], [0.556, 0.263, 0.181]]
    assert [[round(p, 3) for p in row] for row in answers] == due


def test_tokens_are_ranked_and_ties_keep_their_order(call):
    assert call("temperature", ("ranked", [[1, 3, 3, -2, 5]])) == [[4, 1, 2, 0, 3]]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("5, 2, 0.5", [5, 2, 0.5]),
        ("5 2;0.5", [5, 2, 0.5]),
        ("−1.5, 1e2", [-1.5, 100]),
        ("5", "Enter at least two numbers"),
        ("5, two", "“two” is not a number"),
        ("5, Infinity", "“Infinity” is not a number"),
        ("", "Enter at least two numbers"),
    ],
)
def test_typed_logits_are_read_or_refused(call, text, outcome):
    (read,) = call("temperature", ("readLogits", [text]))
    assert read.get("logits") == outcome or read.get("error", "").startswith(str(outcome))


def test_the_temperature_slider_covers_its_range_and_hits_one(call):
    found = call("temperature", *[("toTemperature", [exponent]) for exponent in (-1, 0, 0.3, 1, 1.31)])
    assert found == [0.1, 1, 2, 10, 20]


@pytest.mark.parametrize("label", [0, 3])
@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 0.5), (3.0, 0.3), (0.5, 1.0), (12.0, 0.0)])
def test_every_term_of_the_loss_and_its_gradient(call, label, temperature, alpha):
    student, teacher = random_logits(5, 1), random_logits(5, 2)
    given = [student.tolist(), teacher.tolist(), label, alpha, temperature]
    (found,) = call("loss", ("lossParts", given))
    labels = torch.tensor([[label]])

    def loss(z, square, soft=alpha, hard=1 - alpha):
        term = forward_kl(z.view(1, 1, -1), teacher.view(1, 1, -1), temperature=temperature)
        return soft * (temperature**2 if square else 1) * term + hard * F.cross_entropy(z.view(1, -1), labels[0])

    def pull(**options):
        z = student.clone().requires_grad_()
        return torch.autograd.grad(loss(z, **options), z)[0]

    total = distillation_loss(student.view(1, 1, -1), teacher.view(1, 1, -1), labels, temperature, alpha)
    close(found["total"]["with"], total)
    close(found["soft"]["with"], loss(student, True, hard=0))
    close(found["soft"]["without"], loss(student, False, hard=0))
    close(found["hard"], loss(student, True, soft=0))
    close(found["total"]["without"], loss(student, False))
    gradients = found["gradients"]
    close(gradients["soft"]["with"], pull(square=True, hard=0))
    close(gradients["soft"]["without"], pull(square=False, hard=0))
    close(gradients["hard"], pull(square=True, soft=0))
    close(gradients["total"]["with"], pull(square=True))
    close(gradients["total"]["without"], pull(square=False))
    close(found["lengths"]["with"]["total"], pull(square=True).norm())
    close(found["lengths"]["without"]["soft"], pull(square=False, hard=0).norm())


def test_a_dragged_bar_ends_where_the_hand_is_and_leaves_the_others_in_proportion(call):
    logits = [5.0, 3.9, 3.2, 3.1, -1.0]
    (moved,) = call("loss", ("dragged", [logits, 2, 0.4]))
    p = torch.tensor(moved).double().softmax(-1)
    assert p[2].item() == pytest.approx(0.4, abs=2e-4)
    assert [a for i, a in enumerate(moved) if i != 2] == [a for i, a in enumerate(logits) if i != 2]
    assert (
        call("loss", ("dragged", [logits, 0, 1.7]))[0][0] <= 10
        and call("loss", ("dragged", [logits, 0, -3]))[0][0] >= -10
    )


def bumps(distance, weight, width):
    """The two-bump teacher as torch log-probabilities."""
    x = torch.arange(61, dtype=torch.float64) - 30
    left, right = (-((x - place) ** 2) / (2 * width**2) for place in (-distance / 2, distance / 2))
    return torch.logaddexp(math.log(weight) + left, math.log(1 - weight) + right).log_softmax(-1)


def students(centres, widths):
    """One-bump students as torch log-probabilities `(centres, widths, 61)`."""
    x = torch.arange(61, dtype=torch.float64)
    return (-((x - centres[:, None, None]) ** 2) / (2 * widths[None, :, None] ** 2)).log_softmax(-1)


def price(kind, p, q, beta):
    if kind == "forward":
        return (p.exp() * (p - q)).sum(-1)
    if kind == "reverse":
        return (q.exp() * (q - p)).sum(-1)
    m = torch.logaddexp(p + math.log(beta), q + math.log(1 - beta))
    return beta * (p.exp() * (p - m)).sum(-1) + (1 - beta) * (q.exp() * (q - m)).sum(-1)


@pytest.mark.parametrize("kind", ["forward", "reverse", "jsd"])
@pytest.mark.parametrize(
    ("distance", "weight", "width", "beta"),
    [(24, 0.6, 3.0, 0.5), (24, 0.6, 3.0, 0.05), (10, 0.4, 2.0, 0.9), (40, 0.5, 6.0, 0.3), (0, 0.5, 1.5, 0.5)],
)
def test_no_student_costs_less_than_the_fitted_one(call, kind, distance, weight, width, beta):
    """Every student on a fine grid is tried; the fit may be no worse than the best of them."""
    p = bumps(distance, weight, width)
    state = {"distance": distance, "mode_width": width, "beta": beta}
    (log_p,) = call("divergence", ("teacherLog", [distance, weight, width]))
    close(log_p, p)
    (fit,) = call("divergence", ("fitted", [kind, log_p, state]))
    q = students(torch.tensor([fit["centre"]]).double(), torch.tensor([fit["width"]]).double())[0, 0]
    close(fit["cost"], price(kind, p, q, beta))
    grid = students(
        torch.arange(0, 60.01, 0.25).double(),
        torch.cat([torch.arange(0.6, 6, 0.1), torch.arange(6, 20, 0.25)]).double(),
    )
    best = price(kind, p, grid, beta).min().item()
    assert fit["cost"] <= best + 1e-9
    assert fit["cost"] >= best - 0.02


def test_forward_kl_covers_and_reverse_kl_picks(call):
    (log_p,) = call("divergence", ("teacherLog", [24, 0.6, 3.0]))
    state = {"distance": 24, "mode_width": 3.0, "beta": 0.5}
    forward, reverse = call("divergence", *[("fitted", [kind, log_p, state]) for kind in ("forward", "reverse")])
    assert 20 < forward["centre"] < 36 and forward["width"] > 9
    assert reverse["centre"] == pytest.approx(18, abs=0.2) and reverse["width"] == pytest.approx(3, abs=0.2)


def test_the_axis_of_the_bars_ends_just_above_them(call):
    """At T = 20 no bar of fifty tokens reaches 0.04; an axis up to 1 would be empty."""
    heights = [0.02, 0.04, 0.05, 0.31, 0.75, 1.0]
    ends = call("temperature", *[("axisEnd", [height]) for height in heights])
    assert ends == [0.04, 0.04, 0.1, 0.4, 1, 1]


def test_a_round_is_what_the_library_says(call):
    pairs = [(random_logits(5, seed), random_logits(5, seed + 10)) for seed in (1, 2, 3)]
    pairs.append((pairs[0][0], pairs[0][0]))
    calls = [("agreement", [p.softmax(-1).tolist(), q.softmax(-1).tolist()]) for p, q in pairs]
    for found, (p, q) in zip(call("speculative", *calls), pairs, strict=True):
        p, q = p.softmax(-1), q.softmax(-1)
        close(found["acceptance"], acceptance(p, q))
        close(found["accepted"], torch.minimum(p, q))
        close(found["residual"], residual(p, q))


def test_the_speed_of_a_round_and_its_best_length(call):
    cases = [(a, gamma, cost) for a in (0.0, 0.3, 0.9, 1.0) for gamma in (0, 1, 4, 16) for cost in (0.0, 0.2, 1.0)]
    close(call("speculative", *[("speedUp", list(case)) for case in cases]), [speed_up(*case) for case in cases])
    for a, cost in ((0.9, 0.1), (0.5, 0.3), (0.2, 0.5), (0.8, 0.0)):
        (best,) = call("speculative", ("bestGamma", [a, cost]))
        assert speed_up(a, best, cost) == max(speed_up(a, gamma, cost) for gamma in range(17))
    assert call("speculative", ("bestGamma", [0.3, 0.5])) == [0], "a draft that costs more than it brings"


def test_a_dragged_probability_is_reached_by_its_own_logit(call):
    logits = random_logits(5, 4)
    (moved,) = call("speculative", ("dragged", [logits.tolist(), 2, 0.6]))
    assert torch.tensor(moved).double().softmax(-1)[2].item() == pytest.approx(0.6, abs=1e-3)
    assert [moved[i] for i in (0, 1, 3, 4)] == [logits[i].item() for i in (0, 1, 3, 4)]
    assert max(abs(x) for x in call("speculative", ("dragged", [[0, 0], 0, 5.0]))[0]) <= 10


KINDS = {
    "temperature": ("TemperatureExplorer", lambda made: f"{made.probabilities[0]:.4f}"),
    "loss": ("LossExplorer", lambda made: f"{made.losses['total']:.4f}"),
    "divergence": ("DivergenceExplorer", lambda made: "best for reverse KL: centre 18.0"),
    "speculative": ("DraftExplorer", lambda made: f"acceptance {made.results['acceptance']:.4f}"),
}


@pytest.mark.parametrize("explorer", KINDS)
def test_an_old_browser_gets_text(call, explorer):
    """The text form is computed from the state alone, with nothing of a browser."""
    from helpers import widgets

    kind, wanted = KINDS[explorer]
    made = getattr(widgets, kind)()
    (text,) = call(explorer, ("plain", [made.state()]))
    assert wanted(made) in text and "NaN" not in text and "undefined" not in text
