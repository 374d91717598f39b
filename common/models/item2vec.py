"""item2vec: items as words, items bought together as sentences (Barkan and Koenigstein 2016), by the library `gensim`.

The library learns two vectors of each item: an input vector (`contexts`) and an output vector (`outputs`). A query
vector is the weighted mean of the contexts of the given items, and an item's score is the inner product of its output
vector with the query, which is what the library trains. The paper ranks by the cosine of contexts instead, which
reaches less than half of the NDCG@20 (docs/measurements-models.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, ClassVar, Final

import numpy as np
from pydantic import Field
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from common.errors import RefusedError
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, LearnsFrom, Model, ModelConfig, TrainingData
from common.models.history_map import QuerySource, fit_history_map
from common.models.matrix import weight_matrix
from common.models.sessions import Sequences, people_of, sessions_of
from common.models.space import WEIGHTING, Categorical, Float, Int, Space, Width
from common.schemas.data import F32, Interactions, Weighting

BATCH_WORDS: Final = 1_000
"""Items in a thread's batch: small, so that small shops use all threads too. A longer sentence is cut into several,
because gensim drops the part of a sentence that is longer than a batch."""


class SentenceOf(StrEnum):
    """The events that make one sentence: those of a session (or order), or all of a person."""

    SESSION = "session"
    PERSON = "person"


class Architecture(StrEnum):
    """How an item is predicted from the items around it: from each of them, or from their mean."""

    SKIP_GRAM = "skip_gram"
    CBOW = "cbow"


class Item2VecConfig(ModelConfig):
    """Hyperparameters of item2vec.

    Negatives are drawn by count ** ns_exponent, so the library learns how much more often an item occurs beside some
    items than beside others. So `popularity` · ln(count) is added to the item's bias, as in BPR.

    The defaults reach NDCG@10 .295 of all purchases at a grocer and .256 at a gift shop; gensim's own values reach .255
    and .240 (docs/measurements-models.md). `sample` 1e-4 would leave out nine tenths of what a shop with a hundred
    items sells.
    """

    embedding_size: int = Field(64, ge=2, le=1024)
    sentence_of: SentenceOf = SentenceOf.PERSON
    architecture: Architecture = Architecture.CBOW
    window: int = Field(100, ge=1)
    shuffle: bool = Field(
        False, description="Shuffle each sentence in each epoch, where the order of events has no meaning."
    )
    epochs: int = Field(20, ge=1)
    negative: int = Field(20, ge=1)
    ns_exponent: float = Field(0.5, ge=-2, le=2)
    popularity: float = Field(0.75, ge=0, le=1)
    sample: float = Field(1e-3, ge=0)
    learning_rate: float = Field(0.05, gt=0)
    people: QuerySource = QuerySource.HISTORY
    weighting: Weighting = Weighting(half_life_days=28)


class Item2Vec(Model[Item2VecConfig]):
    """item2vec. Not deterministic, because the library's threads write the vectors without locks."""

    family: ClassVar[str] = "item2vec"
    capabilities: ClassVar[Capabilities] = Capabilities(
        sessions=True,
        new_items=False,
        incremental=True,
        deterministic=False,
        learns_from=(LearnsFrom.COMPANY,),
        fit_s=346.7,
    )
    Config = Item2VecConfig
    least_events: ClassVar[int] = 500
    search_space: ClassVar[Space] = {
        **WEIGHTING,
        "embedding_size": Width((32, 64, 100, 128, 200)),
        "sentence_of": Categorical(tuple(SentenceOf)),
        "architecture": Categorical(tuple(Architecture)),
        "window": Int(3, 100, log=True),
        "shuffle": Categorical((False, True)),
        "epochs": Int(10, 200, log=True),
        "negative": Int(5, 50, log=True),
        "ns_exponent": Float(-1.0, 1.0),
        "popularity": Float(0.0, 1.0),
        "sample": Float(1e-5, 1e-2, log=True),
        "learning_rate": Float(0.01, 0.2, log=True),
        "people": Categorical(tuple(QuerySource)),
    }

    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        config = self.config
        sentences, items = _sentences(data.interactions, config).numbered()
        contexts, outputs = _learn(sentences, len(items), config, options)
        counts = np.bincount(sentences.items)
        item_vectors = np.column_stack([outputs, config.popularity * np.log(counts)]).astype(np.float32)
        ones = np.ones(len(sentences.items), dtype=np.float32)
        in_sentences = csr_matrix((ones, sentences.items, sentences.offsets), shape=(len(sentences), len(items)))
        in_histories = weight_matrix(data.interactions, config.weighting, options.now_s)[:, items]
        people = np.flatnonzero(np.diff(in_histories.indptr) if config.people is QuerySource.FACTORS else [])
        with threadpool_limits(1, "blas"):
            history_map = fit_history_map(in_sentences, item_vectors, _queries(in_sentences, contexts))
            user_vectors = _queries(in_histories[people], contexts)
        return Artifact(
            family=self.family,
            params=config.model_dump(mode="json"),
            item_ids=tuple(data.interactions.item_ids[item] for item in items),
            item_vectors=item_vectors,
            user_keys=data.interactions.user_keys[people],
            user_vectors=user_vectors,
            encoder="mapped_mean",
            encoder_arrays={"map": history_map},
        )


def _sentences(data: Interactions, config: Item2VecConfig) -> Sequences:
    cut = sessions_of if config.sentence_of is SentenceOf.SESSION else people_of
    sentences = cut(data, config.weighting).cut(BATCH_WORDS).of_length(2)
    if len(np.unique(sentences.items)) < 2:
        raise RefusedError(f"nothing was bought together: {len(sentences)} sequences of two events or more")
    return sentences


def _queries(cells: Any, contexts: F32) -> F32:
    """(n, embedding_size + 1) float32: for each row of the csr_matrix (n, n_items), the weighted mean of the items'
    contexts, and 1. No row may be empty."""
    means = (cells @ contexts) / np.asarray(cells.sum(axis=1))
    return np.column_stack([means, np.ones(len(means))]).astype(np.float32)


@dataclass(frozen=True)
class _Corpus:
    """The sentences as the library reads them: once to count the words, and once an epoch."""

    sentences: Sequences
    random: np.random.Generator | None

    def __iter__(self) -> Iterator[list[str]]:
        words = np.array([str(item) for item in range(self.sentences.items.max() + 1)], dtype=object)
        for start, end in pairwise(self.sentences.offsets.tolist()):
            items = self.sentences.items[start:end]
            yield words[self.random.permutation(items) if self.random else items].tolist()


def _learn(sentences: Sequences, n_items: int, config: Item2VecConfig, options: FitOptions) -> tuple[F32, F32]:
    """The contexts and the outputs of the items, (n_items, embedding_size) float32 each."""
    # Importing gensim takes seconds, so only a fit of this family does it.
    from gensim.models import Word2Vec

    library = Word2Vec(
        sentences=_Corpus(sentences, np.random.default_rng(options.seed) if config.shuffle else None),
        vector_size=config.embedding_size,
        sg=int(config.architecture is Architecture.SKIP_GRAM),
        window=config.window,
        epochs=config.epochs,
        negative=config.negative,
        ns_exponent=config.ns_exponent,
        sample=config.sample,
        alpha=config.learning_rate,
        min_count=1,
        batch_words=BATCH_WORDS,
        seed=options.seed,
        workers=options.threads,
        callbacks=[_progress(config.epochs, options)],
    )
    rows = [library.wv.key_to_index[str(item)] for item in range(n_items)]
    contexts, outputs = library.wv.vectors[rows], library.syn1neg[rows]
    if not (np.isfinite(contexts).all() and np.isfinite(outputs).all()):
        raise RefusedError("item2vec did not converge: lower learning_rate")
    return contexts, outputs


def _progress(epochs: int, options: FitOptions) -> Any:
    from gensim.models.callbacks import CallbackAny2Vec

    class Progress(CallbackAny2Vec):  # type: ignore[misc]  # gensim has no types
        def __init__(self) -> None:
            self.epoch = 0

        def on_epoch_end(self, _model: Any) -> None:
            self.epoch += 1
            options.report(self.epoch, epochs)

    return Progress()
