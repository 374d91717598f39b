"""item2vec: items as words, what was bought together as sentences; Barkan and Koenigstein (2016), by `gensim`.

A query is the mean of the vectors of the items given, by weight, and an item's score its cosine to that.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Final, cast

import numpy as np
from pydantic import Field

from common.errors import RefusedError
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, Model, ModelConfig, TrainingData
from common.models.sessions import Sequences, people_of, sessions_of
from common.models.space import WEIGHTING, Choice, Float, Int, Space, Width
from common.schemas.data import F32, I64, Interactions, Weighting

BATCH_WORDS: Final = 1_000
"""What a thread takes at a time, so that small shops occupy all threads too. A longer sentence is cut into several: of
one longer than a batch gensim drops the rest."""


class SentenceOf(StrEnum):
    """What is one sentence: a session (or order), or all that a person did."""

    SESSION = "session"
    PERSON = "person"


class Item2VecConfig(ModelConfig):
    embedding_size: int = Field(64, ge=2, le=1024)
    sentence_of: SentenceOf = SentenceOf.PERSON
    window: int = Field(20, ge=1)
    epochs: int = Field(20, ge=1)
    negative: int = Field(5, ge=1)
    ns_exponent: float = Field(0.75, ge=-2, le=2)
    sample: float = Field(1e-3, ge=0)
    learning_rate: float = Field(0.025, gt=0)
    weighting: Weighting = Weighting(half_life_days=28)


class Item2Vec(Model):
    """Not deterministic: the library's threads write the vectors without locks."""

    family: ClassVar[str] = "item2vec"
    capabilities: ClassVar[Capabilities] = Capabilities(
        sessions=True, new_items=False, incremental=True, deterministic=False
    )
    Config: ClassVar[type[ModelConfig]] = Item2VecConfig
    search_space: ClassVar[Space] = {
        **WEIGHTING,
        "embedding_size": Width((32, 64, 100, 128, 200)),
        "sentence_of": Choice(tuple(SentenceOf)),
        "window": Int(3, 50, log=True),
        "epochs": Int(10, 200, log=True),
        "negative": Int(5, 50, log=True),
        "ns_exponent": Float(-1.0, 1.0),
        "sample": Float(1e-5, 1e-2, log=True),
    }

    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        config = cast(Item2VecConfig, self.config)
        sentences = _sentences(data.interactions, config)
        items = np.unique(sentences.items).astype(np.int64)
        return Artifact(
            family=self.family,
            params=config.model_dump(mode="json"),
            item_ids=tuple(data.interactions.item_ids[item] for item in items),
            item_vectors=_learn(sentences, items, config, options),
            user_keys=np.empty((0, 2), dtype=np.uint64),
            user_vectors=np.empty((0, config.embedding_size), dtype=np.float32),
            encoder="weighted_mean",
        )


def _sentences(data: Interactions, config: Item2VecConfig) -> Sequences:
    cut = sessions_of if config.sentence_of is SentenceOf.SESSION else people_of
    sentences = cut(data, config.weighting).cut(BATCH_WORDS).of_length(2)
    if len(np.unique(sentences.items)) < 2:
        raise RefusedError(f"nothing was bought together: {len(sentences)} sequences of two events or more")
    return sentences


def _learn(sentences: Sequences, items: I64, config: Item2VecConfig, options: FitOptions) -> F32:
    """(n_items, embedding_size) float32 of unit length, for the item codes `items`."""
    # Importing gensim takes seconds, which only a fit of this family is to pay.
    from gensim.models import Word2Vec

    words = np.array([str(item) for item in range(items[-1] + 1)], dtype=object)[sentences.items]
    library = Word2Vec(
        sentences=[sentence.tolist() for sentence in np.split(words, sentences.offsets[1:-1])],
        vector_size=config.embedding_size,
        sg=1,
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
    vectors = library.wv.get_normed_vectors()[[library.wv.key_to_index[str(item)] for item in items]]
    if not np.isfinite(vectors).all():
        raise RefusedError("item2vec did not converge: lower learning_rate")
    return np.asarray(vectors, dtype=np.float32)


def _progress(epochs: int, options: FitOptions) -> Any:
    from gensim.models.callbacks import CallbackAny2Vec

    class Progress(CallbackAny2Vec):  # type: ignore[misc]  # gensim has no types
        def __init__(self) -> None:
            self.epoch = 0

        def on_epoch_end(self, _model: Any) -> None:
            self.epoch += 1
            options.report(self.epoch, epochs)

    return Progress()
