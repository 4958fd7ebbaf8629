"""Two short forms of a teacher's logits: the largest ones, or samples.

All of a teacher's logits would take 4 · V bytes per token: 201 kB with a vocabulary of 50,257. `TopK` is small and
biased; `Sampled` has noise in place of the bias, which training averages out.

Source: Anshumann et al. 2025, "Sparse Logit Sampling: Accelerating Knowledge Distillation in LLMs".
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

MIN_LOG_PROB = -60_000.0  # fits into float16; the probability is 0 for all purposes


@dataclass(frozen=True)
class TopK:
    """Store the k most likely tokens and, in one more bucket, the probability of all others together.

    The student is compared on these k + 1 outcomes. That is at most the true KL, and says nothing about the order in
    the tail; with k = V it is the true KL.

    Args:
        k: tokens per position.
        dtype: of the log-probabilities on disk.
    """

    name: ClassVar[str] = "top_k"
    k: int = 64
    dtype: str = "float16"

    def check(self, vocabulary: int) -> None:
        """Raise ValueError unless this many tokens can be stored."""
        if not 1 <= self.k <= vocabulary:
            raise ValueError(f"k is {self.k}; it must be at least 1, and at most the vocabulary of {vocabulary}")

    def pack(self, log_probs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Tokens `(N, k)`, and `(N, k + 1)`: their log-probabilities, then the bucket's. log_probs: `(N, V)`."""
        top = log_probs.topk(self.k, dim=-1)
        others = log_probs.scatter(1, top.indices, -torch.inf).logsumexp(dim=1, keepdim=True)
        return top.indices, torch.cat([top.values, others], dim=1).clamp(min=MIN_LOG_PROB)

    @staticmethod
    def kl(student: Tensor, tokens: Tensor, log_probs: Tensor) -> Tensor:
        """KL(teacher || student) over the k tokens and the bucket, `(N,)`, in nats.

        Args:
            student: log-probabilities `(N, V)`.
            tokens: `(N, k)`; with k = V there is no bucket.
            log_probs: `(N, k + 1)` as `pack` returns them. Rounding changed their sum, so they are normalized again.
        """
        outcomes = student.gather(1, tokens)
        if tokens.shape[1] == student.shape[1]:
            log_probs = log_probs[:, :-1]
        else:
            others = student.scatter(1, tokens, -torch.inf).logsumexp(dim=1, keepdim=True)
            outcomes = torch.cat([outcomes, others], dim=1)
        teacher = log_probs.to(student.dtype).log_softmax(dim=1)
        return (teacher.exp() * (teacher - outcomes)).sum(dim=1)


@dataclass(frozen=True)
class Sampled:
    """Store k tokens drawn from the teacher, each weighted so that the expectation is the full sum.

    A single draw has noise but no bias: value and gradient are those of the true KL in expectation.

    Args:
        k: draws per position.
        proposal_power: draws are from the teacher's probabilities to this power, normalized. Below 1, rare tokens are
            drawn more often.
        seed: of the draws.
        dtype: of the weights on disk.
    """

    name: ClassVar[str] = "sampled"
    k: int = 64
    proposal_power: float = 1.0
    seed: int = 0
    dtype: str = "float16"

    def check(self, vocabulary: int) -> None:
        """Raise ValueError for settings outside their range."""
        if self.k < 1:
            raise ValueError(f"k is {self.k}; it must be at least 1")
        if not self.proposal_power > 0:
            raise ValueError(f"proposal_power is {self.proposal_power}; it must be above 0")

    def pack(self, log_probs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Tokens `(N, k)`, and `(N, k + 1)`: their weights, then the teacher's entropy. log_probs: `(N, V)`."""
        log_proposal = (self.proposal_power * log_probs).log_softmax(dim=1)
        if len(log_probs):
            tokens = torch.multinomial(log_proposal.exp(), self.k, replacement=True, generator=generator)
        else:  # multinomial refuses an empty matrix
            tokens = torch.empty(0, self.k, dtype=torch.long, device=log_probs.device)
        weights = (log_probs - log_proposal).gather(1, tokens).exp() / self.k
        entropy = -(log_probs.exp() * log_probs).sum(dim=1, keepdim=True)
        return tokens, torch.cat([weights, entropy], dim=1)

    @staticmethod
    def kl(student: Tensor, tokens: Tensor, weights: Tensor) -> Tensor:
        """An unbiased estimate of KL(teacher || student), `(N,)`, in nats; its gradient is unbiased too.

        The cross-entropy is a sum over the vocabulary weighted by the teacher's probabilities: the draws estimate it.
        The entropy has no gradient and is exact.

        Args:
            student: log-probabilities `(N, V)`.
            tokens: `(N, k)`, the draws.
            weights: `(N, k + 1)` as `pack` returns them.
        """
        return -(weights[:, :-1] * student.gather(1, tokens)).sum(dim=1) - weights[:, -1]


Method = TopK | Sampled
