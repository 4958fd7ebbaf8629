"""helpers.evaluation against figures worked out by hand, and its promises: batch size, eval mode, padding."""

import math
from types import SimpleNamespace

import pytest
import torch

from helpers.data.batches import make_batches, whole_rows
from helpers.data.known_language import KnownLanguage, OracleTeacher
from helpers.evaluation import (
    compare_with_teacher,
    distance_to_truth,
    gap_closed,
    measure_distance,
    measure_perplexity,
    perplexity,
    row_nll,
    token_nll,
)
from helpers.models import new_model


class Bigram(torch.nn.Module):
    """Predicts the next token from the present one alone: row i of the table holds the probabilities after token i."""

    def __init__(self, table):
        super().__init__()
        self.table = torch.tensor(table)
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, input_ids, attention_mask):
        return SimpleNamespace(logits=self.dropout(self.table.log()[input_ids]))


TABLE = [[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25]]
ROWS = {  # token 0 is padding at the end of the second row, and a true word in the first
    "input_ids": torch.tensor([[1, 2, 0, 1], [2, 1, 0, 0], [0, 0, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]]),
}
NLL = [-math.log(0.8 * 0.25 * 0.25), -math.log(0.5), -math.log(0.5**3)]
TOKENS = [3, 1, 3]


@pytest.fixture(scope="module")
def language():
    return KnownLanguage.stories()


@pytest.fixture(scope="module")
def rows(language):
    return whole_rows(language.sample(30, 24, seed=5))


def test_row_nll_counts_what_the_mask_counts():
    nll, tokens = row_nll(Bigram(TABLE), ROWS)
    assert nll.tolist() == pytest.approx(NLL)
    assert tokens.tolist() == TOKENS
    total, count = token_nll(Bigram(TABLE), ROWS)
    assert total == pytest.approx(sum(NLL)) and count == 7


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_perplexity_is_weighted_by_tokens_whatever_the_batches(batch_size):
    value = perplexity(Bigram(TABLE), make_batches(ROWS, batch_size))
    assert value == pytest.approx(math.exp(sum(NLL) / 7))
    means = [nll / tokens for nll, tokens in zip(NLL, TOKENS, strict=True)]
    assert abs(value - math.exp(sum(means) / 3)) > 0.05  # so a mean of rows' means would be seen


def test_a_loss_beyond_what_exp_can_hold_is_an_infinite_perplexity():
    class Sure(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            return SimpleNamespace(logits=torch.tensor([5000.0, 0, 0, 0, 0]).expand(*input_ids.shape, 5))

    ids = torch.tensor([[0, 1, 2], [1, 3, 4]])
    found = measure_perplexity(Sure(), make_batches(whole_rows(ids), 2))
    assert found.value == found.high == math.inf


def test_models_are_measured_in_eval_mode_and_given_back_as_they_came():
    model = Bigram(TABLE).train()
    assert perplexity(model, [ROWS]) == pytest.approx(math.exp(sum(NLL) / 7))
    assert model.training and model.dropout.training
    model.dropout.eval()
    perplexity(model, [ROWS])
    assert model.training and not model.dropout.training


def test_nothing_to_predict_is_refused():
    one = {"input_ids": torch.tensor([[1]]), "attention_mask": torch.tensor([[1]])}
    assert token_nll(Bigram(TABLE), one) == (0, 0)
    for batches in ([], [one]):
        with pytest.raises(ValueError, match="no token to predict"):
            perplexity(Bigram(TABLE), batches)


def test_the_interval_is_that_of_rows_drawn_again(rows, language):
    """The bootstrap's standard error of a ratio of sums, against the usual formula for it."""
    rows = whole_rows(language.sample(400, 24, seed=6))
    estimate = measure_perplexity(OracleTeacher(language), make_batches(rows, 100), resamples=4000)
    nll, tokens = row_nll(OracleTeacher(language), rows)
    mean = float(nll.sum() / tokens.sum())
    error = float((nll - mean * tokens).std()) / math.sqrt(len(nll)) / float(tokens.double().mean())
    assert math.log(estimate.value) == pytest.approx(mean)
    assert math.log(estimate.low) == pytest.approx(mean - 1.96 * error, abs=0.15 * error)
    assert math.log(estimate.high) == pytest.approx(mean + 1.96 * error, abs=0.15 * error)
    assert (estimate.rows, estimate.tokens) == (400, 400 * 23)


def test_a_smaller_confidence_gives_a_narrower_interval(rows, language):
    wide, narrow = (
        measure_perplexity(OracleTeacher(language), [rows], confidence=confidence) for confidence in (0.95, 0.5)
    )
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert wide == measure_perplexity(OracleTeacher(language), make_batches(rows, 7))


def test_the_truth_has_no_distance_to_itself(rows, language):
    assert distance_to_truth(OracleTeacher(language), language, [rows]) == pytest.approx(0, abs=1e-6)


def test_distance_is_expected_loss_less_entropy(rows, language):
    """cross-entropy = entropy + KL, with the cross-entropy taken over every possible next word."""
    model = new_model(layers=1, width=8, heads=2, vocabulary=len(language.words), positions=24, seed=0)
    truth = language.next_token_probs(rows["input_ids"])[:, :-1]
    with torch.no_grad():
        log_model = model(**rows).logits[:, :-1].double().log_softmax(dim=-1)
    cross_entropy = -(truth * log_model).sum(dim=-1).mean()
    states = language.states_along(rows["input_ids"])[:, :-1]
    expected = cross_entropy - language.state_entropies()[states].mean()
    for batch_size in (7, 30):
        distance = distance_to_truth(model, language, make_batches(rows, batch_size))
        assert distance == pytest.approx(float(expected), rel=1e-6)
    estimate = measure_distance(model, language, [rows])
    assert estimate.value == pytest.approx(distance)
    assert estimate.low < distance < estimate.high


def test_distance_leaves_padding_out(rows, language):
    model = new_model(layers=1, width=8, heads=2, vocabulary=len(language.words), positions=24, seed=0)
    padded = {name: values.clone() for name, values in rows.items()}
    padded["input_ids"][:, 15:] = language.eos
    padded["attention_mask"][:, 15:] = 0
    cut = {name: values[:, :15] for name, values in rows.items()}
    expected = distance_to_truth(model, language, [cut])
    assert distance_to_truth(model, language, [padded]) == pytest.approx(expected, rel=1e-6)


def test_gap_closed_is_a_share_of_logarithms():
    assert gap_closed(teacher=2.0, before=8.0, after=4.0) == pytest.approx(0.5)
    assert gap_closed(2.0, 8.0, 2.0) == pytest.approx(1)
    assert gap_closed(2.0, 8.0, 16.0) == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="no gap"):
        gap_closed(3.0, 3.0, 2.0)
    with pytest.raises(ValueError, match="after is 0"):
        gap_closed(2.0, 8.0, 0)


def test_a_student_beside_its_teacher_against_figures_by_hand():
    teacher = Bigram([[0.2, 0.4, 0.4], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2]]).eval()
    measured = compare_with_teacher(Bigram(TABLE), teacher, [ROWS])
    distance = {  # after tokens 0, 1, 2
        0: 0.2 * math.log(0.2 / 0.5) + 0.8 * math.log(0.4 / 0.25),
        1: 0.0,
        2: 0.6 * math.log(0.6 / 0.25) + 0.2 * math.log(0.2 / 0.5) + 0.2 * math.log(0.2 / 0.25),
    }
    seen = [1, 2, 0, 2, 0, 0, 0]  # tokens that predict one that counts
    assert measured.perplexity.value == pytest.approx(math.exp(sum(NLL) / 7))
    assert measured.kl.value == pytest.approx(sum(distance[token] for token in seen) / 7, rel=1e-5)
    assert measured.agreement.value == pytest.approx(1 / 7)  # only after token 1 is the likeliest one the same
    assert measured.kl.low <= measured.kl.value <= measured.kl.high and measured.kl.tokens == 7


def test_a_teacher_beside_itself_has_no_distance(language, rows):
    teacher = OracleTeacher(language)
    measured = compare_with_teacher(teacher, teacher, make_batches(rows, 7))
    assert measured.kl.value == pytest.approx(0, abs=1e-9) and measured.agreement.value == 1
    assert measured.perplexity.value == pytest.approx(perplexity(teacher, make_batches(rows, 30)))
    with pytest.raises(ValueError, match="no token to predict"):
        compare_with_teacher(teacher, teacher, [])
