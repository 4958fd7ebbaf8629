"""helpers.engine.hidden_state_cache: the same targets as from the teacher itself, shared by processes that may die."""

import subprocess
import sys

import pytest
import torch

from helpers.data.batches import make_batches, whole_rows
from helpers.engine.chunked_loss import model_targets
from helpers.engine.hidden_state_cache import HiddenStateCache
from helpers.engine.teacher import freeze
from helpers.layer_pruning import keep_layers
from helpers.models import new_model
from helpers.training import DistillConfig, distill
from tests.small_models import WORDS, small_llama

IDS = torch.randint(WORDS, (6, 10), generator=torch.Generator().manual_seed(1))
BATCH = whole_rows(IDS)


@pytest.fixture
def teacher():
    return freeze(small_llama())


def test_logits_and_targets_are_the_teachers(teacher, tmp_path):
    cache = HiddenStateCache(teacher, tmp_path / "states")
    assert torch.allclose(cache(**BATCH).logits, teacher(IDS).logits, atol=2e-3)
    student_logits = torch.randn(6 * 9, WORDS, generator=torch.Generator().manual_seed(2))
    part = slice(7, 31)
    for temperature in (1.0, 2.5):
        ours = cache.targets(BATCH).chunk(part, temperature).kl(student_logits[part], slice(None))
        theirs = model_targets(teacher, BATCH).chunk(part, temperature).kl(student_logits[part], slice(None))
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-3)


def test_a_row_is_read_once_also_by_the_next_process(teacher, tmp_path):
    first = HiddenStateCache(teacher, tmp_path / "states")
    first.states({name: tensor[:4] for name, tensor in BATCH.items()})
    first.states(BATCH)
    assert first.rows_read == 6
    again = HiddenStateCache(teacher, tmp_path / "states")
    assert torch.equal(again.states(BATCH), first.states(BATCH)) and again.rows_read == 0


def test_rows_with_other_padding_are_other_rows(teacher, tmp_path):
    cache = HiddenStateCache(teacher, tmp_path / "states")
    cache.states(BATCH)
    mask = BATCH["attention_mask"].clone()
    mask[0, 7:] = 0
    cache.states({"input_ids": IDS, "attention_mask": mask})
    assert cache.rows_read == 7


def test_a_process_that_dies_while_it_writes_leaves_the_rows_before_intact(teacher, tmp_path):
    path, first_rows = tmp_path / "states", {name: tensor[:2] for name, tensor in BATCH.items()}
    expected = HiddenStateCache(teacher, tmp_path / "other").states(BATCH)
    HiddenStateCache(teacher, path).states(first_rows)
    dies = (
        "import os, sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1])\n"
        "database.execute('PRAGMA cache_size = 1')\n"  # so that rows reach the disk before they are committed
        "database.execute('UPDATE states SET float16 = zeroblob(320)')\n"
        "database.executemany('INSERT INTO states VALUES (?, zeroblob(9999))', [(bytes([n]),) for n in range(99)])\n"
        "os._exit(1)"
    )
    assert subprocess.run([sys.executable, "-c", dies, path]).returncode == 1
    again = HiddenStateCache(teacher, path)
    assert torch.equal(again.states(BATCH), expected) and again.rows_read == 4


def test_two_at_once_share_what_they_read(teacher, tmp_path):
    path, first_rows = tmp_path / "states", {name: tensor[:2] for name, tensor in BATCH.items()}
    one, other = HiddenStateCache(teacher, path), HiddenStateCache(teacher, path)
    expected = HiddenStateCache(teacher, tmp_path / "other").states(BATCH)
    one.states(first_rows)
    assert torch.equal(other.states(BATCH), expected) and other.rows_read == 4
    assert torch.equal(one.states(BATCH), expected) and one.rows_read == 2


def test_two_that_read_the_same_row_at_the_same_time_store_it_once(teacher, tmp_path):
    one, other = (HiddenStateCache(teacher, tmp_path / "states") for _ in range(2))
    run = one._run

    def other_is_faster(ids, mask):
        other.states(BATCH)
        return run(ids, mask)

    one._run = other_is_faster
    assert torch.equal(one.states(BATCH), other.states(BATCH))
    assert one._database.execute("SELECT count(*) FROM states").fetchone() == (6,)


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


def test_distilling_from_the_cache_gives_the_same_student(teacher, tmp_path):
    batches = make_batches(BATCH, 2)
    students = []
    for source in (teacher, HiddenStateCache(teacher, tmp_path / "states")):
        student = keep_layers(teacher, [0, 3, 5])
        config = DistillConfig(steps=6, temperature=2.0, learning_rate=1e-3)
        history = distill(student, source, batches, config, progress=False)
        students.append((student(IDS).logits, history.losses))
    assert students[0][1] == pytest.approx(students[1][1], rel=1e-3)
    assert torch.allclose(students[0][0], students[1][0], atol=2e-2)


def test_gpt2_teachers_are_cached_too(tmp_path):
    model = new_model(layers=1, width=8, heads=2, vocabulary=WORDS, positions=12, seed=0)
    assert torch.allclose(HiddenStateCache(model, tmp_path / "s")(**BATCH).logits, model(IDS).logits, atol=2e-3)
