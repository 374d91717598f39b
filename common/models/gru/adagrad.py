"""Adagrad (Duchi et al. 2011) with momentum, for a whole tensor or for the rows that a step has used."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

_EPSILON: Final = 1e-6


class Adagrad:
    """An optimizer that updates `parameter` in place.

    torch's own Adagrad has no momentum, and its sparse mode costs more time than the gradient.
    """

    def __init__(self, parameter: Tensor, learning_rate: float, momentum: float) -> None:
        self._parameter = parameter
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._squares = torch.zeros_like(parameter)
        self._velocity = torch.zeros_like(parameter)

    def step(self, gradient: Tensor) -> None:
        """Updates the whole parameter. gradient: the parameter's shape."""
        self._squares.addcmul_(gradient, gradient)
        change = gradient / (self._squares + _EPSILON).sqrt_()
        self._velocity.mul_(self._momentum).add_(change, alpha=-self._learning_rate)
        self._parameter.add_(self._velocity)

    def step_rows(self, rows: Tensor, gradient: Tensor) -> None:
        """Updates some rows; the others keep their momentum until they are next used.

        rows: (n,) int64, without repetition; gradient: (n, …).
        """
        squares = self._squares[rows].addcmul_(gradient, gradient)
        self._squares[rows] = squares
        change = gradient / squares.add_(_EPSILON).sqrt_()
        velocity = self._velocity[rows].mul_(self._momentum).add_(change, alpha=-self._learning_rate)
        self._velocity[rows] = velocity
        self._parameter[rows] += velocity
