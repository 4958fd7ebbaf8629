"""helpers.data.known_language and helpers.data.story_grammar: is what is said to be exact, exact?"""

import math

import pytest
import torch

from helpers.data.known_language import START, UNKNOWN, KnownLanguage, OracleTeacher
from helpers.data.story_grammar import END

# A rain story whose figures follow by hand: after "it" rain or shine, and shine lasts.
WEATHER = {
    START: [({"it": 2}, "it")],
    "it": [({"rains": 1}, "wet"), ({"shines": 3}, "dry")],
    "wet": [({END: 1}, START)],
    "dry": [({"on": 1}, "dry"), ({END: 1}, START)],
}


@pytest.fixture(scope="module")
def language():
    return KnownLanguage.stories()


@pytest.fixture(scope="module")
def weather():
    return KnownLanguage(WEATHER)


def tokens(language, *words):
    return torch.tensor([[language.token_of[word] for word in words]])


def test_stationary_distribution_and_entropy_rate_of_a_language_solved_by_hand(weather):
    # Visits a story: start 1, "it" 1, wet 1/4, dry 3/4 · 2; so 3.75 tokens a story.
    visits = {START: 1, "it": 1, "wet": 0.25, "dry": 1.5}
    expected = torch.tensor([visits[name] / 3.75 for name in weather.states], dtype=torch.float64)
    torch.testing.assert_close(weather.stationary(), expected)
    choice = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    assert weather.entropy_rate() == pytest.approx((choice + 1.5 * math.log(2)) / 3.75, rel=1e-12)
    # Tokens 1 and 2 of a row are "it" (no choice) and the weather.
    assert weather.row_entropy(3) == pytest.approx(choice / 2, rel=1e-12)


def test_the_state_follows_from_the_words(weather):
    row = tokens(weather, END, "it", "shines", "on", END, "it", "rains")
    names = [weather.states[state] for state in weather.states_along(row)[0]]
    assert names == [START, "it", "dry", "dry", START, "it", "wet"]
    probs = weather.next_token_probs(row)
    assert probs[0, 1, weather.token_of["shines"]] == 0.75
    assert probs[0, 6, weather.eos] == 1


def test_rows_may_begin_with_the_story_and_be_padded_on_either_side(weather):
    story = tokens(weather, "it", "shines", "on")
    padding = tokens(weather, END, END)
    plain = weather.next_token_probs(story)
    assert torch.equal(weather.next_token_probs(torch.cat([story, padding], 1))[:, :3], plain)
    assert torch.equal(weather.next_token_probs(torch.cat([padding, story], 1))[:, 2:], plain)


def test_a_row_that_is_no_story_is_refused_with_its_word(weather):
    with pytest.raises(ValueError, match='row 1, position 2.*"rains"'):
        rows = torch.cat([tokens(weather, "it", "rains", END), tokens(weather, "it", "shines", "rains")])
        weather.states_along(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"it": [({"rains": 1}, "wet"), ({"rains": 1}, "dry")]}, '"rains" leads from state "it" to two states'),
        ({"wet": [({END: 1}, "dry")]}, "wet"),
        ({"wet": [({END: 1}, "nowhere")]}, "nowhere"),
    ],
)
def test_rules_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        KnownLanguage(WEATHER | change)


def test_stories_have_the_words_that_the_labs_speak_of(language):
    row = language.tokenizer()("Mia went to the garden and saw a small butterfly. She felt", return_tensors="pt")
    probs = language.next_token_probs(row["input_ids"])[0, -1]
    for word, expected in {"happy": 0.6, "glad": 0.2, "joyful": 0.1, "scared": 0}.items():
        assert probs[language.token_of[word]] == pytest.approx(expected)
    assert 60 <= len(language.states) <= 90
    assert 190 <= len(language.words) <= 230


def test_every_probability_sums_to_one_and_no_word_is_unused(language):
    torch.testing.assert_close(language.probs.sum(dim=1), torch.ones(len(language.states), dtype=torch.float64))
    used = language.probs.sum(dim=0) > 0
    assert [word for word, use in zip(language.words, used, strict=True) if not use] == [UNKNOWN]
    assert (language.stationary() > 0).all()  # every state is reached


def test_samples_follow_the_truth(language):
    """Monte Carlo: the loss of the truth on its own text is its entropy, within four standard errors."""
    rows = language.sample(500, 64, seed=3)
    assert torch.equal(rows, language.sample(500, 64, seed=3))
    assert not torch.equal(rows, language.sample(500, 64, seed=4))
    probs = language.next_token_probs(rows)[:, :-1]
    nll = -probs.gather(-1, rows[:, 1:, None])[..., 0].log().mean(dim=1)
    standard_error = float(nll.std()) / math.sqrt(len(nll))
    assert abs(float(nll.mean()) - language.row_entropy(64)) < 4 * standard_error
    assert standard_error < 0.02  # fine enough to see a floor that is wrong


def test_an_endless_text_visits_each_state_as_often_as_the_stationary_distribution_says(language):
    late = language.states_along(language.sample(100, 500, seed=3))[:, 200:]  # the first story is long forgotten
    shares = torch.bincount(late.flatten(), minlength=len(language.states)) / late.numel()
    assert (shares - language.stationary()).abs().max() < 0.003


def test_cross_entropy_is_entropy_plus_distance(language):
    """Exact in every state, for a model that is nothing like the truth."""
    model = torch.randn(language.probs.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    log_model = model.log_softmax(dim=1)
    cross_entropy = -(language.probs * log_model).sum(dim=1)
    distance = torch.nn.functional.kl_div(log_model, language.probs, reduction="none").sum(dim=1)
    torch.testing.assert_close(cross_entropy, language.state_entropies() + distance)


def test_the_oracle_says_the_truth_at_any_temperature(language):
    rows = language.sample(3, 20, seed=0)
    logits = OracleTeacher(language)(rows, attention_mask=torch.ones_like(rows)).logits
    truth = language.next_token_probs(rows)
    torch.testing.assert_close(logits.softmax(dim=-1).double(), truth, atol=1e-6, rtol=0)
    warm = truth.sqrt() / truth.sqrt().sum(dim=-1, keepdim=True)  # T = 2 takes the root of every probability
    torch.testing.assert_close((logits / 2).softmax(dim=-1).double(), warm, atol=1e-6, rtol=0)


def test_text_and_tokens_are_the_same_story(language):
    tokenizer = language.tokenizer()
    texts = language.sample_texts(50, seed=1)
    encoded = tokenizer(texts)["input_ids"]
    assert [tokenizer.decode(ids) for ids in encoded] == texts
    assert all(text[0].isupper() and text[-1] in ".!" for text in texts)
    for ids in encoded:
        language.states_along(torch.tensor([ids]))  # raises if it were no story


def test_tokenizer_knows_end_of_text_and_what_it_does_not_know(language):
    tokenizer = language.tokenizer()
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == language.eos
    ids = tokenizer("She felt, zebra." + END)["input_ids"]
    assert [language.words[token] for token in ids] == ["She", "felt", ",", UNKNOWN, ".", END]
