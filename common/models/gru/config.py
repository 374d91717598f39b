"""The hyperparameters of GRU4Rec."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from common.models.base import ModelConfig


class Loss(StrEnum):
    """The loss over the sampled scores; see `losses`."""

    BPR_MAX = "bpr-max"
    CROSS_ENTROPY = "cross-entropy"


class SequenceOf(StrEnum):
    """The events that make one sequence: those of a session (or order), or all of a person."""

    SESSION = "session"
    PERSON = "person"


class GRU4RecConfig(ModelConfig):
    """Hyperparameters of GRU4Rec.

    `n_sample` negatives are shared by a mini-batch and drawn by popularity to the power of `sample_alpha`.
    `score_regularization` and `elu` (0: linear scores) belong to BPR-max, `logq` to cross-entropy. A person's query
    vector uses the last `history_length` items only.

    The defaults were chosen on Yoochoose 1/64, where they reach hit rate .704 and MRR .308 at 20
    (docs/measurements-models.md). Smaller catalogues need fewer negatives.
    """

    sequence_of: SequenceOf = SequenceOf.SESSION
    history_length: int = Field(30, ge=1, le=1000)
    embedding_size: int = Field(100, ge=1, le=1024)
    loss: Loss = Loss.CROSS_ENTROPY
    epochs: int = Field(5, ge=1)
    batch_size: int = Field(128, ge=1)
    learning_rate: float = Field(0.1, gt=0)
    momentum: float = Field(0.0, ge=0, lt=1)
    dropout_embedding: float = Field(0.2, ge=0, lt=1)
    dropout_hidden: float = Field(0.1, ge=0, lt=1)
    n_sample: int = Field(2048, ge=1)
    sample_alpha: float = Field(0.5, ge=0, le=1)
    score_regularization: float = Field(1.0, ge=0)
    elu: float = Field(0.5, ge=0)
    logq: float = Field(1.0, ge=0)
