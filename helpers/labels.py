"""From a batch to aligned labels: which token each position has to predict, and which tokens count.

Shifting happens here and nowhere else. A causal language model's logits at position s are its prediction of token
s + 1, so logits and labels are moved against each other by one before they meet in a loss.
"""

from torch import Tensor

from helpers.losses import IGNORE


def make_labels(input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Labels `(B, S)`, long: the tokens themselves where the attention mask is 1, and -100 where it is 0.

    input_ids, attention_mask: `(B, S)`. The mask decides, never the token: where padding and end of text share one
    token, a mask made from token ids would lose every true end of text. Any padding side.
    Raises ValueError if the shapes differ.
    """
    if input_ids.shape != attention_mask.shape:
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}; it must have that of input_ids, "
            f"{tuple(input_ids.shape)}"
        )
    return input_ids.masked_fill(attention_mask == 0, IGNORE)


def next_token_pairs(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Aligned logits `(B, S - 1, V)` and labels `(B, S - 1)`: each position beside the token that comes next.

    logits: `(B, S, V)`, or anything else with one entry a position. labels: `(B, S)`.
    The last position is dropped, as nothing follows it, and so is the first label, as nothing predicts it.
    Raises ValueError if there is not one label for each position.
    """
    if logits.shape[:2] != labels.shape:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}; they must have one entry for each position of logits, "
            f"shape {tuple(logits.shape[:2])}"
        )
    return logits[:, :-1], labels[:, 1:]
