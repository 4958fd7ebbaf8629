"""A real teacher's logits for the next token after 20 short prompts, for labs that need no model at hand.

The teacher is SmolLM2-135M-Instruct (Apache 2.0). `assets/teacher_logits.json` says where its weights come from, and
`scripts/make_teacher_logits.py` made the file.
"""

import json
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.paths import PACKAGE

FILE = PACKAGE / "assets" / "teacher_logits.json"


@dataclass(frozen=True)
class TeacherLogits:
    """What the teacher says about the token that follows one prompt.

    tokens, logits `(50,)`: the 50 most likely tokens as text, the most likely first. A token's text often starts with
    the space before the word; some tokens are only a piece of a word.

    The vocabulary has `vocabulary` tokens. Of the others two summaries are kept, by temperature T (0.5 to 20):
    rest[T] is log Σ exp(logit / T) over the tokens that are not among the 50; full_entropy[T] is the entropy, in nats,
    of softmax(logits / T) over the whole vocabulary.
    """

    prompt: str
    kind: str
    tokens: list[str]
    logits: Tensor
    rest: dict[float, float]
    full_entropy: dict[float, float]
    vocabulary: int


def load_teacher_logits() -> dict[str, TeacherLogits]:
    """Return the teacher's logits by prompt, in the order of the file."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    return {
        entry["prompt"]: TeacherLogits(
            prompt=entry["prompt"],
            kind=entry["kind"],
            tokens=entry["tokens"],
            logits=torch.tensor(entry["logits"]),
            rest={float(temperature): value for temperature, value in entry["rest"].items()},
            full_entropy={float(temperature): value for temperature, value in entry["full_entropy"].items()},
            vocabulary=data["vocabulary"],
        )
        for entry in data["prompts"]
    }


def readable(token: str) -> str:
    """Return a token's text as a label for a plot: without the space before it, invisible characters made visible."""
    bare = token[1:] if token.startswith(" ") and token.strip() else token
    return repr(bare)[1:-1].replace(" ", "␣").replace("$", r"\$")
