"""helpers.engine.hidden_state_cache: the same targets as from the teacher itself, also after a cut-off."""

import pytest
import torch

from helpers.data.batches import make_batches, whole_rows
from helpers.engine.chunked_loss import model_targets
from helpers.engine.hidden_state_cache import HiddenStateCache
from helpers.layer_pruning import keep_layers
from helpers.models import new_model
from helpers.training import DistillConfig, distill, freeze
from tests.small_models import WORDS, small_llama

IDS = torch.randint(WORDS, (6, 10), generator=torch.Generator().manual_seed(1))
BATCH = whole_rows(IDS)


@pytest.fixture
def teacher():
    return freeze(small_llama())


def test_logits_and_targets_are_the_teachers(teacher, tmp_path):
    remembered = HiddenStateCache(teacher, tmp_path / "states")
    assert torch.allclose(remembered(**BATCH).logits, teacher(IDS).logits, atol=2e-3)
    student_logits = torch.randn(6 * 9, WORDS, generator=torch.Generator().manual_seed(2))
    part = slice(7, 31)
    for temperature in (1.0, 2.5):
        ours = remembered.targets(BATCH)(part, temperature)(student_logits[part], slice(None))
        theirs = model_targets(teacher, BATCH)(part, temperature)(student_logits[part], slice(None))
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-3)


def test_a_row_is_read_once_also_by_the_next_process(teacher, tmp_path):
    first = HiddenStateCache(teacher, tmp_path / "states")
    first.states({name: tensor[:4] for name, tensor in BATCH.items()})
    first.states(BATCH)
    assert first.read == 6
    again = HiddenStateCache(teacher, tmp_path / "states")
    assert torch.equal(again.states(BATCH), first.states(BATCH)) and again.read == 0


def test_rows_with_other_padding_are_other_rows(teacher, tmp_path):
    remembered = HiddenStateCache(teacher, tmp_path / "states")
    remembered.states(BATCH)
    mask = BATCH["attention_mask"].clone()
    mask[0, 7:] = 0
    remembered.states({"input_ids": IDS, "attention_mask": mask})
    assert remembered.read == 7


@pytest.mark.parametrize("lost", [1, 100, 10 * 16 * 2 + 3])
def test_a_row_that_was_cut_off_is_read_again_and_the_others_are_kept(teacher, tmp_path, lost):
    path = tmp_path / "states"
    whole = HiddenStateCache(teacher, path).states(BATCH)
    path.write_bytes(path.read_bytes()[:-lost])
    again = HiddenStateCache(teacher, path)
    assert torch.equal(again.states(BATCH), whole) and again.read == 1
    assert HiddenStateCache(teacher, path).states(BATCH).equal(whole)


def test_two_at_once_share_what_they_read_and_one_that_dies_harms_neither(teacher, tmp_path):
    path, fewer = tmp_path / "states", {name: tensor[:2] for name, tensor in BATCH.items()}
    dies, lives = HiddenStateCache(teacher, path), HiddenStateCache(teacher, path)
    right = HiddenStateCache(teacher, tmp_path / "apart").states(BATCH)
    dies.states(fewer)
    path.write_bytes(path.read_bytes()[:-40])  # it died while it wrote its second row
    assert torch.equal(lives.states(BATCH), right)
    after = HiddenStateCache(teacher, path)
    assert torch.equal(after.states(BATCH), right) and after.read == 0
    size = path.stat().st_size
    HiddenStateCache(teacher, path).states(BATCH)
    assert path.stat().st_size == size == HiddenStateCache(teacher, tmp_path / "apart").path.stat().st_size


def test_a_file_of_another_teacher_and_a_model_without_a_plain_head_are_refused(teacher, tmp_path):
    (tmp_path / "states").write_bytes(b"something else")
    with pytest.raises(ValueError, match="does not hold hidden states of this teacher"):
        HiddenStateCache(teacher, tmp_path / "states")
    HiddenStateCache(teacher, tmp_path / "taken")
    with torch.no_grad():
        teacher.model.layers[0].mlp.down_proj.weight[0, 0] += 1e-3  # the same shape and another teacher
    with pytest.raises(ValueError, match="give each teacher its own file"):
        HiddenStateCache(teacher, tmp_path / "taken")
    with pytest.raises(ValueError, match="model is a Linear"):
        HiddenStateCache(torch.nn.Linear(2, 2), tmp_path / "other")


def test_distilling_from_memory_gives_the_same_student(teacher, tmp_path):
    batches = make_batches(BATCH, 2)
    students = []
    for source in (teacher, HiddenStateCache(teacher, tmp_path / "states")):
        student = keep_layers(teacher, [0, 3, 5])
        config = DistillConfig(steps=6, temperature=2.0, learning_rate=1e-3)
        history = distill(student, source, batches, config, progress=False)
        students.append((student(IDS).logits, history.losses))
    assert students[0][1] == pytest.approx(students[1][1], rel=1e-3)
    assert torch.allclose(students[0][0], students[1][0], atol=2e-2)


def test_gpt2_teachers_are_remembered_too(tmp_path):
    model = new_model(layers=1, width=8, heads=2, vocabulary=WORDS, positions=12, seed=0)
    assert torch.allclose(HiddenStateCache(model, tmp_path / "s")(**BATCH).logits, model(IDS).logits, atol=2e-3)
