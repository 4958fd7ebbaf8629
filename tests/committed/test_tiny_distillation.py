"""results/tiny_distillation.json: of the experiment's present setting, and it shows that the teacher helps."""

from helpers.experiments.tiny import ARMS, BATCH_SIZE, LENGTH, ROWS, STEPS
from tests.committed import result
from tests.conftest import ROOT


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


def test_what_the_readme_says_of_the_distance_to_the_truth_is_the_result():
    found = result("tiny_distillation")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    control, both, alone = (found["arms"][arm.name]["distance"]["mean"] for arm in ARMS)
    assert f"trained on hard labels only end {control:.3f} nats per token from the truth" in readme
    assert (
        f"trained on labels and teacher end at {both:.3f}, and students trained on the teacher alone at {alone:.3f}"
        in readme
    )
    assert f"is itself only {found['teacher']['distance']['value']:.3f} from the truth" in readme
