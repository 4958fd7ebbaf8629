"""helpers.reasoning.generation: a trace depends on its prompt, the sampling and the seed, and on nothing else."""

import pytest
import torch

from helpers.data.word_problems import make_problems, problem_tokenizer
from helpers.models import new_model
from helpers.reasoning.fine_tuning import without_dropout
from helpers.reasoning.generation import SamplingConfig, write_traces

TOKENIZER = problem_tokenizer()


def small_model(seed=0):
    return without_dropout(new_model(1, 32, 2, len(TOKENIZER), 160, seed))


def decided_model():
    """Random weights, so large that the model has a clear opinion about each next token."""
    model = small_model(seed=3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return model


def test_writing_in_a_batch_is_writing_alone():
    """Prompts of different lengths are filled up on the left; that must not change a word, nor may the cache."""
    model, problems = decided_model(), make_problems(10, seed=2)
    together = write_traces(model, TOKENIZER, problems, SamplingConfig(max_new_tokens=12))
    alone = [write_traces(model, TOKENIZER, [problem], SamplingConfig(max_new_tokens=12))[0] for problem in problems]
    assert together == alone and len(set(together)) > 1
    ids = TOKENIZER(problems[0]["question"] + "\n", return_tensors="pt")["input_ids"]
    for _ in range(12):
        ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(dim=-1)], dim=1)
    written = ids[0, -12:].tolist()
    assert together[0] == TOKENIZER.decode(written[: written.index(0)] if 0 in written else written)


def test_drawing_depends_on_the_seed_alone():
    model, problems = small_model(), make_problems(5, seed=2)
    draws = [
        write_traces(model, TOKENIZER, problems, SamplingConfig(temperature=1.0, seed=seed, max_new_tokens=8))
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_a_prompt_that_fills_the_model_is_refused():
    with pytest.raises(ValueError, match="no room is left for a trace"):
        write_traces(small_model(), TOKENIZER, [{"question": "How many? " * 80}])


def test_sampling_leaves_the_random_state_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    sampling = SamplingConfig(temperature=1.0, max_new_tokens=2)
    write_traces(small_model(), TOKENIZER, make_problems(2, seed=2), sampling)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_generation_settings_of_the_model_do_not_apply(temperature):
    """Chat models come with settings of their own, many of which penalise repetition or cut off unlikely tokens."""
    model, problems = decided_model(), make_problems(10, seed=2)
    sampling = SamplingConfig(temperature=temperature, max_new_tokens=12)
    plain = write_traces(model, TOKENIZER, problems, sampling)
    model.generation_config.update(
        do_sample=True, temperature=5.0, top_k=2, top_p=0.5, repetition_penalty=3.0, eos_token_id=7, max_new_tokens=3
    )
    assert write_traces(model, TOKENIZER, problems, sampling) == plain


def test_progress_counts_the_traces_written():
    counts = []
    sampling = SamplingConfig(max_new_tokens=1, batch_size=2)
    write_traces(small_model(), TOKENIZER, make_problems(5, seed=2), sampling, watch=counts.append)
    assert counts == [2, 4, 5]
