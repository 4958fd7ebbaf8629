"""results/tiny_training.json: the log of the training that made the tiny tier's weights."""

import pytest

from helpers.data.batches import make_batches, whole_rows
from helpers.data.known_language import KnownLanguage
from helpers.evaluation import distance_to_truth
from helpers.models import load_student, load_teacher
from helpers.training import count_parameters
from tests.committed import result


def test_the_weights_in_the_package_are_those_of_the_log():
    log, language = result("tiny_training"), KnownLanguage.stories()
    batches = make_batches(whole_rows(language.sample(40, 64, seed=7)), 20)
    for model, entry in ((load_teacher("tiny"), log["teacher"]), (load_student("tiny"), log["student"])):
        assert count_parameters(model) == entry["parameters"]
        distance = distance_to_truth(model, language, batches)
        assert distance == pytest.approx(entry["distance_to_truth_nats"], rel=0.2)
    assert log["teacher"]["distance_to_truth_nats"] < 0.05 < 0.3 < log["student"]["distance_to_truth_nats"]
