"""How the learning rate changes over a run."""

import math


def warmup_cosine(step: int, steps: int, warm_up: float = 0.1) -> float:
    """Learning rate as a fraction of its peak: a linear warm-up, then a cosine decay.

    transformers' `get_cosine_schedule_with_warmup` starts at 0, so its first step would change no weight.

    Args:
        step: 0 … steps - 1.
        steps: of the whole run.
        warm_up: fraction of the steps in which the rate rises.

    Source: Smith and Topin 2018, "Super-Convergence" (one cycle).
    """
    rising_steps = max(1, round(warm_up * steps))
    if step < rising_steps:
        return (step + 1) / rising_steps
    return (1 + math.cos(math.pi * (step - rising_steps + 1) / (steps - rising_steps + 1))) / 2
