"""How the learning rate moves over a run."""

import math


def warmup_cosine(step: int, steps: int, warm_up: float = 0.1) -> float:
    """Learning rate at step 0 … steps - 1 as a share of its peak: up in a straight line, then down as a cosine.

    warm_up: the share of the steps that go up. Source: Smith and Topin 2018, "Super-Convergence" (one cycle).
    """
    up = max(1, round(warm_up * steps))
    if step < up:
        return (step + 1) / up
    return (1 + math.cos(math.pi * (step - up + 1) / (steps - up + 1))) / 2
