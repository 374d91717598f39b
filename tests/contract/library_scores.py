"""Each family's scores, computed by its library alone: what the adapter must reproduce."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from gensim.models import Word2Vec
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from lightfm import LightFM
from scipy.sparse import csr_matrix

from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.schemas.data import F32, Interactions

NO_DECAY: Final[dict[str, Any]] = {"weighting": {"half_life_days": None}}

SMALL: Final[dict[str, dict[str, Any]]] = {
    "als": {"factors": 2, "alpha": 10.0, "regularization": 1.0} | NO_DECAY,
    "bpr": {"factors": 4, "learning_rate": 0.1, "iterations": 200, "popularity": 0.0} | NO_DECAY,
    "cooccurrence": {
        "sequence_of": "person",
        "window": 8,
        "nearness": "root",
        "backward": 0.75,
        "row_power": 0.5,
        "column_power": 0.5,
        "memory": 4.0,
    }
    | NO_DECAY,
    "gru4rec": {
        "sequence_of": "person",
        "embedding_size": 8,
        "batch_size": 8,
        "n_sample": 16,
        "learning_rate": 0.3,
        "epochs": 6,
    },
    "item2vec": {"embedding_size": 4, "sample": 0.0, "popularity": 0.0} | NO_DECAY,
    "lightfm": {"factors": 2, "epochs": 100, "learning_rate": 0.03} | NO_DECAY,
    "popular": NO_DECAY,
}
"""Configs that fit in milliseconds."""

OWN_PEOPLE: Final[dict[str, dict[str, Any]]] = {
    "bpr": {"people": "factors"},
    "item2vec": {"people": "factors"},
    "lightfm": {"people": "factors"},
}
"""What else makes a family keep the people of its library, where it otherwise makes them from histories."""


def _counts(data: Interactions) -> Any:
    ones = np.ones(len(data), dtype=np.float32)
    return csr_matrix((ones, (data.users, data.items)), shape=(data.n_users, data.n_items))


def _als(data: Interactions) -> F32:
    library = AlternatingLeastSquares(
        factors=2, regularization=1, alpha=10, iterations=14, num_threads=1, random_state=1
    )
    matrix = _counts(data)
    library.fit(matrix, show_progress=False)
    library.partial_fit_users(np.arange(data.n_users), matrix)
    ids, scores = library.recommend(np.arange(data.n_users), matrix, N=data.n_items, filter_already_liked_items=False)
    by_item = np.empty((data.n_users, data.n_items), np.float32)
    np.put_along_axis(by_item, ids, scores, axis=1)
    return by_item


def _bpr(data: Interactions) -> F32:
    library = BayesianPersonalizedRanking(
        factors=4, learning_rate=0.1, regularization=0.01, iterations=200, num_threads=1, random_state=1
    )
    library.fit(_counts(data), show_progress=False)
    scores: F32 = library.user_factors @ library.item_factors.T
    return scores


def _cooccurrence(data: Interactions) -> F32:
    """The formulas of the family, pair by pair: there is no library."""
    counts = np.zeros((data.n_items, data.n_items))
    visits = [data.items[data.users == user] for user in range(data.n_users)]
    for visit in visits:
        for at, item in enumerate(visit):
            for distance, other in enumerate(visit[at + 1 : at + 9], start=1):
                counts[item, other] += 1 / math.sqrt(distance)
                counts[other, item] += 0.75 / math.sqrt(distance)
    leaving, arriving = counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    weights = counts / np.sqrt((leaving + 5) * arriving)
    scores = np.zeros((data.n_users, data.n_items), dtype=np.float32)
    for user, visit in enumerate(visits):
        for steps_back, item in enumerate(visit[::-1]):
            scores[user] += math.exp(-steps_back / 4) * weights[item]
    return scores


def _gru4rec(data: Interactions) -> F32:
    """torch's own layer over whole sequences, with the weights that a fit has learned."""
    artifact = make("gru4rec", SMALL["gru4rec"]).fit(TrainingData(data), FitOptions(1, 1, int(data.ts[-1])))
    layer = torch.nn.GRU(8, 8, batch_first=True)
    names = {
        "weight_ih": "weight_input",
        "weight_hh": "weight_hidden",
        "bias_ih": "bias_input",
        "bias_hh": "bias_hidden",
    }
    layer.load_state_dict({f"{name}_l0": torch.tensor(artifact.encoder_arrays[ours]) for name, ours in names.items()})
    vectors = torch.tensor(artifact.item_vectors)
    with torch.no_grad():
        states = [layer(vectors[data.items[data.users == user], :-1])[1][0] for user in range(data.n_users)]
        return (torch.stack(states) @ vectors[:, :-1].T + vectors[:, -1]).numpy()


def _item2vec(data: Interactions) -> F32:
    of_people = [np.flatnonzero(data.users == user) for user in range(data.n_users)]
    sentences = [[str(item) for item in data.items[events]] for events in sorted(of_people, key=min)]
    library = Word2Vec(
        sentences,
        vector_size=4,
        sg=0,
        window=100,
        epochs=20,
        negative=20,
        ns_exponent=0.5,
        alpha=0.05,
        sample=0,
        min_count=1,
        seed=1,
        workers=1,
    )
    rows = np.array([library.wv.key_to_index[str(item)] for item in range(data.n_items)])
    people = [library.wv.vectors[rows[data.items[events]]].mean(axis=0) for events in of_people]
    scores: F32 = np.stack(people) @ library.syn1neg[rows].T
    return scores


def _lightfm(data: Interactions) -> F32:
    library = LightFM(no_components=2, learning_rate=0.03, loss="warp", random_state=1)
    likes = _counts(data).tocoo()
    library.fit(likes, epochs=100, sample_weight=likes)
    users, items = np.divmod(np.arange(data.n_users * data.n_items, dtype=np.int32), data.n_items)
    found = library.predict(users, items).reshape(data.n_users, data.n_items)
    # What a person likes in general does not change the order of the items.
    without_bias: F32 = found - library.user_biases[:, None]
    return without_bias


def _popular(data: Interactions) -> F32:
    counts = np.bincount(data.items, minlength=data.n_items).astype(np.float32)
    return np.tile(counts, (data.n_users, 1))


LIBRARY_SCORES: Final[dict[str, Callable[[Interactions], F32]]] = {
    "als": _als,
    "bpr": _bpr,
    "cooccurrence": _cooccurrence,
    "gru4rec": _gru4rec,
    "item2vec": _item2vec,
    "lightfm": _lightfm,
    "popular": _popular,
}
"""(n_users, n_items) for events of weight 1, seed 1 and one thread, by family."""
