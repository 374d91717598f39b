"""Adagrad (Duchi et al. 2011) with momentum, for a whole tensor or for the rows of it that a step has touched."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

_EPSILON: Final = 1e-6


class Adagrad:
    """Updates `parameter` in place. torch's own has no momentum, and its sparse mode costs more than the gradient."""

    def __init__(self, parameter: Tensor, learning_rate: float, momentum: float) -> None:
        self._parameter = parameter
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._squares = torch.zeros_like(parameter)
        self._velocity = torch.zeros_like(parameter)

    def step(self, gradient: Tensor) -> None:
        """gradient: as large as the parameter."""
        self._squares.addcmul_(gradient, gradient)
        change = gradient / (self._squares + _EPSILON).sqrt_()
        self._velocity.mul_(self._momentum).add_(change, alpha=-self._learning_rate)
        self._parameter.add_(self._velocity)

    def step_rows(self, rows: Tensor, gradient: Tensor) -> None:
        """rows (n,) int64, each once; gradient (n, …). Rows not named keep their momentum for when they next are."""
        squares = self._squares[rows].addcmul_(gradient, gradient)
        self._squares[rows] = squares
        change = gradient / squares.add_(_EPSILON).sqrt_()
        velocity = self._velocity[rows].mul_(self._momentum).add_(change, alpha=-self._learning_rate)
        self._velocity[rows] = velocity
        self._parameter[rows] += velocity
