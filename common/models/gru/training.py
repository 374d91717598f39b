"""The fit of GRU4Rec: session-parallel steps with an update after each; the hidden state is carried on without
gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from common.errors import Diverged
from common.models.gru import losses
from common.models.gru.adagrad import Adagrad
from common.models.gru.batches import Step, session_parallel
from common.models.gru.config import GRU4RecConfig, Loss
from common.models.gru.network import Network, activate
from common.models.sessions import Sequences
from common.schemas.data import F32, F64

TICK_STEPS: Final = 50
"""A step takes milliseconds; an epoch may take minutes, in which a deadline may pass."""


class Trainer:
    """The training loop. `network` is what has been learned so far. The caller seeds torch's generator."""

    def __init__(self, config: GRU4RecConfig, sessions: Sequences, n_items: int, seed: int) -> None:
        """sessions: of at least two items each, item codes below n_items."""
        self.network = Network(n_items, config.embedding_size)
        self._config = config
        self._sessions = sessions
        counts = np.bincount(sessions.items, minlength=n_items)
        self._popularity = torch.from_numpy(_log_share(counts.astype(np.float64)))
        smoothed: F64 = counts.astype(np.float64) ** config.sample_alpha
        self._sampled = torch.from_numpy(_log_share(smoothed))
        self._cumulative: F64 = np.cumsum(smoothed) / smoothed.sum()
        self._rng = np.random.default_rng(seed)
        self._cell = list(self.network.cell.parameters())
        tensors = [self.network.embedding, self.network.bias, *(tensor.data for tensor in self._cell)]
        optimizers = [Adagrad(tensor, config.learning_rate, config.momentum) for tensor in tensors]
        self._rows, self._biases, *self._gates = optimizers

    def epochs(self, tick: Callable[[int], None] = lambda _done: None) -> Iterator[float]:
        """Trains one epoch at a time and yields its mean loss.

        Every `TICK_STEPS` steps `tick` is called with the number of epochs that are done.

        Raises `Diverged` where the loss is not finite.
        """
        for epoch in range(self._config.epochs):
            hidden = torch.zeros(self._config.batch_size, self.network.size)
            total, events = 0.0, 0
            for number, step in enumerate(session_parallel(self._sessions, self._config.batch_size), start=1):
                if number % TICK_STEPS == 0:
                    tick(epoch)
                loss = self._learn(step, hidden)
                if not math.isfinite(loss):
                    raise Diverged(
                        f"gru4rec diverged in epoch {epoch + 1}; lower learning_rate or momentum",
                        epoch=epoch + 1,
                        learning_rate=self._config.learning_rate,
                        momentum=self._config.momentum,
                    )
                total, events = total + loss * len(step.rows), events + len(step.rows)
            yield total / events

    def _learn(self, step: Step, hidden: Tensor) -> float:
        """Learns from one step, writes the new states into `hidden` (batch_size, size), and returns the loss."""
        n, rows = len(step.rows), torch.from_numpy(step.rows)
        targets = torch.from_numpy(step.targets).long()
        columns = torch.cat([targets, self._negatives()])
        touched, place = torch.unique(torch.cat([torch.from_numpy(step.inputs), columns]), return_inverse=True)
        embedding = self.network.embedding[touched].requires_grad_()
        bias = self.network.bias[touched].requires_grad_()
        # index_select, because its gradient adds up rows far faster than the gradient of indexing.
        inputs = functional.dropout(embedding.index_select(0, place[:n]), self._config.dropout_embedding)
        state = self.network.cell(inputs, hidden[rows].masked_fill_(torch.from_numpy(step.begins)[:, None], 0))
        outputs = embedding.index_select(0, place[n:])
        dropped = functional.dropout(state, self._config.dropout_hidden)
        scores = torch.addmm(bias.index_select(0, place[n:]), dropped, outputs.T)
        loss = self._loss(scores, columns)
        gradients = torch.autograd.grad(loss, [embedding, bias, *self._cell])
        self._update(touched, gradients)
        hidden[rows] = state.detach()
        return loss.item()

    def _loss(self, scores: Tensor, columns: Tensor) -> Tensor:
        n = len(scores)
        same = columns[:n, None] == columns
        if self._config.loss is Loss.BPR_MAX:
            return losses.bpr_max(activate(scores, self._config.elu), same, self._config.score_regularization)
        log_q = torch.cat([self._popularity[columns[:n]], self._sampled[columns[n:]]])
        return losses.cross_entropy(scores, same, self._config.logq * log_q)

    def _negatives(self) -> Tensor:
        """(n_sample,) int64 item codes, drawn with replacement."""
        drawn = np.searchsorted(self._cumulative, self._rng.random(self._config.n_sample), side="right")
        return torch.from_numpy(np.minimum(drawn, len(self._cumulative) - 1))

    @torch.no_grad()
    def _update(self, touched: Tensor, gradients: tuple[Tensor, ...]) -> None:
        embedding, bias, *gates = gradients
        self._rows.step_rows(touched, embedding)
        self._biases.step_rows(touched, bias)
        for optimizer, gradient in zip(self._gates, gates, strict=True):
            optimizer.step(gradient)


def _log_share(weights: F64) -> F32:
    share: F32 = np.log(weights / weights.sum()).astype(np.float32)
    return share
