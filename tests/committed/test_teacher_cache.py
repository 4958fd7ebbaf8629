"""results/teacher_cache_tiny.json: keeping the top tokens is biased, and drawing tokens is not."""

from tests.committed import result


def test_the_bias_of_top_tokens_falls_and_that_of_samples_is_noise():
    found = result("teacher_cache_tiny")
    for student in found["students"].values():
        biases = [row["bias_of_kl"] for row in student["top"].values()]
        assert biases == sorted(biases) and biases[-1] < 0
        for row in student["sampled"].values():
            assert abs(row["bias_of_kl"]) < 4 * row["spread_of_kl"] / found["setting"]["draws"] ** 0.5
