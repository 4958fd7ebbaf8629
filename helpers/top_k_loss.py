"""Learning from the few log-probabilities that an API returns for each token. Lab 06 writes this loss."""

import torch
import torch.nn.functional as F
from torch import Tensor


def top_k_loss(values: Tensor, ids: Tensor, student_logits: Tensor, mask: Tensor, tail: bool = True) -> Tensor:
    """Cross-entropy of the student against the teacher's top k log-probabilities, a mean over the mask, in nats.

    Args:
        values: the teacher's k largest log-probabilities at each position, `(B, S, k)`.
        ids: their tokens, `(B, S, k)`, long.
        student_logits: `(B, S, V)`.
        mask: True or 1 where a position counts, `(B, S)`.
        tail: whether all other tokens together are one more outcome, with the probability that is left. Without it, the
            k probabilities are divided by their sum, as if no other token were possible.

    Returns a scalar, 0 if nothing counts.
    Raises ValueError if the shapes do not fit together.
    """
    if values.shape != ids.shape or not values.shape[:-1] == mask.shape == student_logits.shape[:-1]:
        raise ValueError(
            f"values {tuple(values.shape)}, ids {tuple(ids.shape)}, student_logits {tuple(student_logits.shape)} and "
            f"mask {tuple(mask.shape)} do not fit together"
        )
    log_q = F.log_softmax(student_logits.float() if student_logits.dtype.itemsize < 4 else student_logits, dim=-1)
    p = values.exp()
    if tail:
        rest = (1 - p.sum(dim=-1)).clamp(min=0)
        others = log_q.scatter(-1, ids, -torch.inf).logsumexp(dim=-1)
        of_the_rest = rest * torch.where(others.isinf(), 0.0, others)
    else:
        p, of_the_rest = p / p.sum(dim=-1, keepdim=True), torch.zeros_like(log_q[..., 0])
    per_token = -(p * log_q.gather(-1, ids)).sum(dim=-1) - of_the_rest
    return torch.where(mask.bool(), per_token, 0.0).sum() / mask.sum().clamp(min=1)
