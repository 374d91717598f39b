"""Ranking losses over sampled scores. Each returns the mean loss.

scores: (n, m) float32; column i has the target of row i, and all other columns are negatives, which the rows share.
same: (n, m) bool, True where a column's item is the row's target, its own column included.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

_NEVER: Final = -1e9
"""A score that adds nothing to a softmax and is finite, so that a row without a negative gives no NaN."""


def cross_entropy(scores: Tensor, same: Tensor, log_q: Tensor) -> Tensor:
    """Softmax cross-entropy over the sample, with log_q (m,) subtracted from each column.

    log_q is the logarithm of the probability that a column was drawn. Without this correction popular items, which are
    drawn most, are learned as negatives too often (Bengio and Senécal 2008).
    """
    diagonal = torch.arange(len(scores))
    repeated = same.clone()
    repeated[diagonal, diagonal] = False
    return functional.cross_entropy((scores - log_q).masked_fill(repeated, _NEVER), diagonal)


def bpr_max(scores: Tensor, same: Tensor, regularization: float) -> Tensor:
    """BPR-max: the target is compared with each negative, weighted by the negatives' softmax, so that the highest count
    most.

    `regularization` weighs the softmax-weighted squares of the negatives' scores (Hidasi and Karatzoglou 2018, eq. 10).
    """
    targets = scores.diagonal()[:, None]
    log_weights = functional.log_softmax(scores.masked_fill(same, _NEVER), dim=1)
    ranked = -torch.logsumexp(log_weights + functional.logsigmoid(targets - scores), dim=1)
    penalty = (log_weights.exp() * scores.square()).sum(dim=1)
    return (ranked + regularization * penalty).mean()
