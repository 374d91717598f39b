"""The parameters of GRU4Rec: one item embedding for input and output, a bias an item, and one GRU layer."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from common.models.sessions import Sequences
from common.schemas.data import F32


class Network:
    """The network. `embedding` (n_items, size) is shared by input and output (constrained: Hidasi and Karatzoglou 2018,
    4.2)."""

    def __init__(self, n_items: int, size: int) -> None:
        self.embedding = nn.init.xavier_uniform_(torch.empty(n_items, size))
        self.bias = torch.zeros(n_items)
        self.cell = nn.GRUCell(size, size)
        for weights in (self.cell.weight_ih, self.cell.weight_hh):
            nn.init.xavier_uniform_(weights)
        for biases in (self.cell.bias_ih, self.cell.bias_hh):
            nn.init.zeros_(biases)

    @property
    def size(self) -> int:
        """Width of the embedding and of the hidden state."""
        return self.embedding.shape[1]

    def item_vectors(self) -> F32:
        """(n_items, size + 1) float32: the embedding, and the bias as the last column."""
        return torch.cat([self.embedding, self.bias[:, None]], dim=1).numpy()

    def encoder_arrays(self) -> dict[str, F32]:
        """The arrays of `serving.encoders.gru`; their rows are torch's reset, update and new gates, one below the
        other."""
        cell = self.cell
        arrays = {
            "weight_input": cell.weight_ih,
            "weight_hidden": cell.weight_hh,
            "bias_input": cell.bias_ih,
            "bias_hidden": cell.bias_hh,
        }
        return {name: array.detach().numpy().copy() for name, array in arrays.items()}

    @torch.no_grad()
    def last_states(self, sequences: Sequences, history_length: int) -> F32:
        """(n_sequences, size) float32: the hidden state after the last `history_length` items of each sequence."""
        state = torch.zeros(len(sequences), self.size)
        ends = sequences.offsets[1:]
        lengths = np.minimum(sequences.lengths, history_length)
        for step in range(int(lengths.max(initial=0))):
            rows = np.flatnonzero(step < lengths)
            items = sequences.items[ends[rows] - lengths[rows] + step]
            inputs = self.embedding[torch.from_numpy(items)]
            state[rows] = self.cell(inputs, state[rows])
        return state.numpy()


def activate(scores: Tensor, elu: float) -> Tensor:
    """ELU of the scores with this alpha, or the scores unchanged for 0. It keeps their order, so serving does not need
    it."""
    return functional.elu(scores, alpha=elu) if elu > 0 else scores
