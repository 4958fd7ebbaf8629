"""Make the weights of lab 09's deep model from a seed: `python scripts/train_tiny_deep.py` (about 2 minutes on a core).

It writes `tiny_deep` (.safetensors and .json) to `helpers/assets`: a narrow model of six layers that has learned from
the tiny teacher alone, on text that is new in every step. It stands for a model with layers to spare.
"""

import torch
from torch.utils.data import DataLoader

from helpers.data.batches import Batch, make_batches, whole_rows
from helpers.data.known_language import KnownLanguage
from helpers.evaluation import distance_to_truth
from helpers.experiments.tiny import BATCH_SIZE, LENGTH, held_out_batches
from helpers.models import load_teacher, new_model, save_folder_model
from helpers.training import DistillConfig, distill

LAYERS, WIDTH, HEADS, STEPS, SEED = 6, 32, 2, 2_000, 9
RATE = 5e-3


def main() -> None:
    """Train the model, say how far from the truth it is, and write it."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    language = KnownLanguage.stories()
    rows = language.sample(STEPS * BATCH_SIZE, LENGTH, seed=3_000_000)
    batches: DataLoader | list[Batch] = make_batches(whole_rows(rows), BATCH_SIZE)
    teacher = load_teacher("tiny")
    model = new_model(LAYERS, WIDTH, HEADS, len(language.tokenizer()), LENGTH, SEED)
    config = DistillConfig(steps=STEPS, alpha=1.0, learning_rate=RATE, precision=torch.float32)
    distill(model, teacher, batches, config)
    print(f"distance to the truth: {distance_to_truth(model, language, held_out_batches(language)):.4f} nats per token")
    save_folder_model(model, "tiny_deep")


if __name__ == "__main__":
    main()
