"""From a batch to aligned labels: which token each position has to predict, and which tokens count.

Shifting happens here and nowhere else. A causal language model's logits at position s predict token s + 1, so logits
and labels are shifted by one relative to each other before they go into a loss.
"""

from torch import Tensor

from helpers.losses import IGNORE


def make_labels(input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Labels `(B, S)`, long: the tokens themselves where the attention mask is 1, and -100 where it is 0.

    The mask decides, never the token: if padding and end of text share one token, a mask made from token ids would lose
    every real end of text.

    Args:
        input_ids: `(B, S)`, padded on any side.
        attention_mask: `(B, S)`.

    Raises:
        ValueError: the shapes differ.
    """
    if input_ids.shape != attention_mask.shape:
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}; it must have the shape of input_ids, "
            f"{tuple(input_ids.shape)}"
        )
    return input_ids.masked_fill(attention_mask == 0, IGNORE)


def next_token_pairs(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Aligned logits `(B, S - 1, V)` and labels `(B, S - 1)`: each position with the token that comes next.

    The last position is dropped because nothing follows it, and the first label because nothing predicts it.

    Args:
        logits: `(B, S, V)`, or any tensor with one entry for each position.
        labels: `(B, S)`.

    Raises:
        ValueError: there is not one label for each position.
    """
    if logits.shape[:2] != labels.shape:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}; they must have one entry for each position of logits, "
            f"shape {tuple(logits.shape[:2])}"
        )
    return logits[:, :-1], labels[:, 1:]
