"""Ranking losses over sampled scores.

In all of them `scores` (n, m) float32 has the target of row i in column i and negatives in all other columns, which
the rows share; `same` (n, m) bool marks the columns that hold the row's target, its own included. They return the mean
loss.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

_NEVER: Final = -1e9
"""A score that no softmax sees, and that stays finite where a row has no negative at all."""


def cross_entropy(scores: Tensor, same: Tensor, log_q: Tensor) -> Tensor:
    """Softmax over the sample, each column less log_q (m,), the logarithm of how likely it was to be drawn.

    Without that correction popular items, drawn most, are learned as negatives too often (Bengio and Senécal 2008).
    """
    diagonal = torch.arange(len(scores))
    repeated = same.clone()
    repeated[diagonal, diagonal] = False
    return functional.cross_entropy((scores - log_q).masked_fill(repeated, _NEVER), diagonal)


def bpr_max(scores: Tensor, same: Tensor, regularization: float) -> Tensor:
    """The target against each negative, weighted by the negatives' softmax, so that the strongest count most.

    `regularization` weighs the softmax-weighted squares of the negatives' scores (Hidasi and Karatzoglou 2018, eq. 10).
    """
    targets = scores.diagonal()[:, None]
    log_weights = functional.log_softmax(scores.masked_fill(same, _NEVER), dim=1)
    ranked = -torch.logsumexp(log_weights + functional.logsigmoid(targets - scores), dim=1)
    penalty = (log_weights.exp() * scores.square()).sum(dim=1)
    return (ranked + regularization * penalty).mean()
