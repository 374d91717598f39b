"""GRU4Rec's hyperparameters."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from common.models.base import ModelConfig


class Loss(StrEnum):
    BPR_MAX = "bpr-max"
    CROSS_ENTROPY = "cross-entropy"


class SequenceOf(StrEnum):
    """What is learned as one sequence: a session (or order), or all that a person did."""

    SESSION = "session"
    PERSON = "person"


class GRU4RecConfig(ModelConfig):
    """`n_sample` negatives are shared by a mini-batch and drawn by popularity to the power of `sample_alpha`.

    `score_regularization` and `elu` (0: linear scores) belong to BPR-max, `logq` to cross-entropy. A person's query
    steps through the last `history_length` items only.

    The defaults are those of Yoochoose 1/64 (17,000 items, 116,000 sessions, a minute an epoch on one busy core). On
    its last 8,000 train sessions, hit rate and MRR at 20 after 1 to 4 epochs: .664/.271, .691/.290, .698/.300 and
    .704/.308; with BPR-max, learning rate .05, momentum .3 and dropout .3 .695/.303 after 4. Smaller catalogues need
    fewer negatives.
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
