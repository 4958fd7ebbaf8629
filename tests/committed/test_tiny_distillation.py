"""results/tiny_distillation.json: of the experiment's present setting, and it shows that the teacher helps."""

from helpers.experiments.tiny import ARMS, BATCH_SIZE, LENGTH, ROWS, STEPS
from tests.committed import result


def test_the_result_is_of_this_setting_and_shows_the_gain():
    found = result("tiny_distillation")
    setting = found["setting"]
    assert len(setting["seeds"]) >= 5
    assert (setting["steps"], setting["batch_rows"], setting["training_tokens"]) == (STEPS, BATCH_SIZE, ROWS * LENGTH)
    control, *taught = (found["arms"][arm.name] for arm in ARMS)
    for arm, entry in zip(ARMS, found["arms"].values(), strict=True):
        assert (entry["alpha"], entry["temperature"], entry["learning_rate"]) == (
            arm.alpha,
            arm.temperature,
            arm.learning_rate,
        )
    for entry in taught:
        assert entry["closer_than_control"] == len(setting["seeds"])
        assert entry["distance"]["mean"] < control["distance"]["low"]
