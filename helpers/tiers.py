"""The three sizes in which the labs run: their models, texts and settings, and what each needs.

    training, held_out = load_batches()  the tier's text, as batches

The tier is chosen by `helpers.models.choose_tier`: the argument, else DISTILLAB_TIER, else "tiny". What a tier needs
before a run, and what is missing, is said by `helpers.setup.preflight`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.utils.data import DataLoader

from helpers.data.batches import (
    encode_rows,
    hub_texts,
    make_batches,
    pack_blocks,
    read_texts,
    split_rows,
    spread_rows,
    whole_rows,
)
from helpers.data.known_language import KnownLanguage
from helpers.fetch import DOWNLOAD_MB
from helpers.models import choose_tier, load_tokenizer

HELD_OUT_SEED = 1_000_000  # far from the seeds of the students' texts
TINY_ROWS = 300


@dataclass(frozen=True)
class Tier:
    """A tier's settings and needs.

    Attributes:
        name: "tiny", "laptop" or "gpu".
        teacher, student, text: What they are, for people.
        download_mb: What is downloaded once, in 10⁶ bytes.
        memory_gb: Peak memory of the run, in 10⁹ bytes.
        minutes: Time for labs 03 and 04 together, on two cores (tiny), two cores with fast bfloat16 (laptop), or one
            GPU (gpu). Measured for tiny and estimated for the others; for laptop, `preflight` estimates it again on
            the machine that it runs on.
        steps, batch_size, length, learning_rate, temperature, alpha: The settings of the lab's run; length in tokens.
        held_out_rows: Rows that students are measured on.
    """

    name: str
    teacher: str
    student: str
    text: str
    download_mb: int
    memory_gb: float
    minutes: float
    steps: int
    batch_size: int
    length: int
    learning_rate: float
    temperature: float
    alpha: float
    held_out_rows: int


SETTINGS = {
    tier.name: tier
    for tier in (
        Tier(
            name="tiny",
            teacher="a GPT-2-shaped model of 2 layers (0.25 million weights, in this package)",
            student="the same with 1 layer (0.07 million weights, in this package)",
            text="stories of a small known language",
            download_mb=0,
            memory_gb=1,
            minutes=3,
            steps=300,
            batch_size=8,
            length=64,
            learning_rate=1e-2,
            temperature=3.0,
            alpha=0.5,
            held_out_rows=200,
        ),
        Tier(
            name="laptop",
            teacher="SmolLM2-135M-Instruct (30 layers, 135 million weights)",
            student="the same with 15 of its layers (81 million weights)",
            text="the Python language reference that comes with every Python, or your own text",
            download_mb=DOWNLOAD_MB,
            memory_gb=5,
            minutes=15,
            steps=240,
            batch_size=8,
            length=128,
            learning_rate=5e-4,
            temperature=2.0,
            alpha=0.5,
            held_out_rows=64,
        ),
        Tier(
            name="gpu",
            teacher="GPT-2-medium (24 layers, 355 million weights)",
            student="DistilGPT-2 (6 layers, 82 million weights)",
            text="2,000 paragraphs of WikiText-2, or your own text",
            download_mb=1_880,
            memory_gb=8,
            minutes=10,
            steps=500,  # two passes
            batch_size=8,
            length=128,
            learning_rate=5e-5,
            temperature=3.0,
            alpha=0.5,
            held_out_rows=500,
        ),
    )
}
WIKITEXT, WIKITEXT_ROWS = "Salesforce/wikitext:wikitext-2-raw-v1", 2_000
MIN_PARAGRAPH_CHARACTERS = 50  # headings are shorter


def tier_of(tier: str | None = None) -> Tier:
    """The tier's settings and needs. Raises ValueError for an unknown tier."""
    return SETTINGS[choose_tier(tier)]


def load_batches(tier: str | None = None, source: str | None = None) -> tuple[DataLoader, DataLoader]:
    """Batches to train on, shuffled again in each pass, and batches to measure on, in a fixed order.

    A batch is {"input_ids", "attention_mask"}, each `(B, S)`. The same call gives the same batches.

    In the laptop tier, and for your own text, rows are blocks of the text: the first 80 % are for training, and the
    held-out rows are spread over the rest. In the gpu tier, rows are WikiText-2's paragraphs, truncated or padded, from
    its training and validation splits.

    Args:
        tier: See `choose_tier`.
        source: None for the tier's own text, else a .txt or .jsonl file or the name of a data set on the hub (see
            `helpers.data.batches.read_texts`). The tiny tier has no other text, because its models know 210 words.

    Raises:
        ValueError: For an unknown tier, or a source that the tier cannot read.
    """
    chosen = tier_of(tier)
    if chosen.name == "tiny":
        if source is not None:
            raise ValueError(f'source is "{source}"; the tiny tier reads only its own stories, so omit source')
        language = KnownLanguage.stories()
        training = whole_rows(language.sample(TINY_ROWS, chosen.length, seed=0))
        held_out = whole_rows(language.sample(chosen.held_out_rows, chosen.length, HELD_OUT_SEED))
        return make_batches(training, chosen.batch_size, seed=0), make_batches(held_out, 100)
    tokenizer = load_tokenizer(chosen.name)
    if chosen.name == "gpu" and source is None:
        training, held_out = (
            encode_rows(_paragraphs(split, rows), tokenizer, chosen.length)
            for split, rows in (("train", WIKITEXT_ROWS), ("validation", chosen.held_out_rows))
        )
    else:
        training, held_out = split_rows(pack_blocks(read_texts(source), tokenizer, chosen.length))
        held_out = spread_rows(held_out, chosen.held_out_rows)
    return make_batches(training, chosen.batch_size, seed=0), make_batches(held_out, chosen.batch_size)


def _paragraphs(split: str, count: int) -> list[str]:
    """The first paragraphs of a split of WikiText-2 that are longer than a heading."""
    return [text for text in hub_texts(WIKITEXT, split) if len(text.strip()) > MIN_PARAGRAPH_CHARACTERS][:count]
