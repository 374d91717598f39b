"""GRU4Rec: the next item of a session, predicted by a recurrent network.

Written from Hidasi et al. (2016), Hidasi and Karatzoglou (2018), and Hidasi and Czapp (2023), who measured the cost of
each part that re-implementations leave out. Trained with torch; served with numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from common.errors import RefusedError
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, LearnsFrom, Model, OptionalLibrary, TrainingData
from common.models.gru.config import GRU4RecConfig, Loss, SequenceOf
from common.models.sessions import Sequences, histories_of, people_of, sessions_of
from common.models.space import Categorical, Float, Int, Space, Width
from common.schemas.data import I64, Interactions

if TYPE_CHECKING:
    from common.models.gru.network import Network


MAX_SESSION: Final = 200
"""Items after which a session is cut. A session that outlasts all others would be learned in batches of one row."""

TORCH: Final = OptionalLibrary(
    "torch", "pip install 'recsys-lite[gru4rec]' --extra-index-url https://download.pytorch.org/whl/cpu"
)
"""The index has its CPU build, which pip prefers to the one for CUDA of the public index."""


class GRU4Rec(Model[GRU4RecConfig]):
    """GRU4Rec. A person's query vector is the hidden state after their latest items, and 1 for the bias."""

    family: ClassVar[str] = "gru4rec"
    capabilities: ClassVar[Capabilities] = Capabilities(
        sessions=True,
        new_items=False,
        incremental=True,
        deterministic=True,
        learns_from=(LearnsFrom.SEQUENCE,),
        fit_s=None,
    )
    Config = GRU4RecConfig
    library: ClassVar[OptionalLibrary | None] = TORCH
    least_events: ClassVar[int] = 2_000
    search_space: ClassVar[Space] = {
        "sequence_of": Categorical(tuple(SequenceOf)),
        "history_length": Categorical((10, 30, 100)),
        "embedding_size": Width((32, 64, 100, 128, 192, 256)),
        "loss": Categorical(tuple(Loss)),
        "epochs": Int(3, 12),
        "batch_size": Categorical((32, 64, 128, 256)),
        "learning_rate": Float(0.01, 0.25, log=True),
        "momentum": Float(0.0, 0.9),
        "dropout_embedding": Float(0.0, 0.5),
        "dropout_hidden": Float(0.0, 0.7),
        "n_sample": Categorical((256, 1024, 2048)),
        "sample_alpha": Float(0.0, 1.0),
        "score_regularization": Float(0.0, 2.0),
        "elu": Categorical((0.0, 0.5, 1.0)),
    }

    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        if lacking := self.lacks():
            raise RefusedError(lacking)
        # Importing torch takes seconds and 200 MB, so only a fit of this family does it.
        from common.models.gru.training import Trainer

        config = self.config
        sessions, items = _sequences(data.interactions, config).numbered()
        with _seeded_on_one_thread(options.seed):
            trainer = Trainer(config, sessions, len(items), options.seed)
            snapshot = partial(self._artifact, trainer.network, items, data.interactions, options.now_s)
            epochs = trainer.epochs(lambda done: options.report(done, config.epochs))
            for epoch, _loss in enumerate(epochs, start=1):
                options.report(epoch, config.epochs)
                if epoch < config.epochs:
                    options.inspect(epoch, snapshot)
            return snapshot()

    def _artifact(self, network: Network, items: I64, data: Interactions, now_s: int) -> Artifact:
        config = self.config
        histories = _within(histories_of(data, config.weighting, now_s), items, data.n_items)
        states = network.last_states(histories, config.history_length)
        return Artifact(
            family=self.family,
            params=config.model_dump(mode="json"),
            item_ids=tuple(data.item_ids[item] for item in items),
            item_vectors=network.item_vectors(),
            user_keys=data.user_keys[histories.people],
            user_vectors=np.column_stack([states, np.ones(len(states), dtype=np.float32)]),
            encoder="gru",
            encoder_params={"history_length": float(config.history_length)},
            encoder_arrays=network.encoder_arrays(),
        )


@contextmanager
def _seeded_on_one_thread(seed: int) -> Iterator[None]:
    """Runs torch with a seeded generator and on one thread, and restores both afterwards.

    The steps are too small to share: on two busy cores two threads took five times as long as one.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def _sequences(data: Interactions, config: GRU4RecConfig) -> Sequences:
    cut = sessions_of if config.sequence_of is SequenceOf.SESSION else people_of
    sequences = cut(data, config.weighting)
    sessions = sequences.cut(MAX_SESSION).of_length(2)
    if len(np.unique(sessions.items)) < 2:
        raise RefusedError(
            f"nothing to learn what comes next from: {len(sequences)} sequences, {len(sessions)} of two items or more",
            sequences=len(sequences),
        )
    return sessions


def _within(sequences: Sequences, items: I64, n_items: int) -> Sequences:
    """The sequences reduced to `items` and numbered like them; people without any of them are left out."""
    number = np.full(n_items, -1, dtype=np.int32)
    number[items] = np.arange(len(items))
    numbers = number[sequences.items]
    kept = np.concatenate([[0], np.cumsum(numbers >= 0)])
    inside = Sequences(kept[sequences.offsets], numbers[numbers >= 0], sequences.people)
    return inside.of_length(1)
