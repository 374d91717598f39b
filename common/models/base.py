"""What every model family is: a config, declared capabilities, and `fit`, which ends in an `Artifact`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from common.models.artifact import Artifact
from common.models.space import Space
from common.schemas.data import Catalogue, Interactions, Weighting


@dataclass(frozen=True)
class Capabilities:
    """What a family can do. Declared here, tested both ways; never found out by catching an exception.

    sessions: a query vector for items just given, without a stored person. new_items: `fit` gives vectors to catalogue
    items that have no events. incremental: `Artifact.encoder` over a person's whole history equals a refit of that
    person alone, so update may recompute people. deterministic: the same data, config, seed and threads give the same
    arrays.
    """

    sessions: bool
    new_items: bool
    incremental: bool
    deterministic: bool


class ModelConfig(BaseModel):
    """Hyperparameters of a family; subclasses add their own. What belongs to one run stands in `FitOptions`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weighting: Weighting = Weighting()


def _no_report(step: int, steps: int) -> None:
    pass


def _no_inspection(step: int, snapshot: Callable[[], Artifact]) -> None:
    pass


@dataclass(frozen=True)
class FitOptions:
    """What belongs to one run.

    `threads` ≥ 1; `now_s` is the moment (epoch seconds) from which recency is counted, normally the newest event's.
    `report(step, steps)` is called as the fit goes on, and `inspect(step, snapshot)` where a family can show on the way
    what it has learned: `snapshot()` is the artifact so far. Both may end the fit by an exception.
    """

    seed: int
    threads: int
    now_s: int
    report: Callable[[int, int], None] = field(default=_no_report)
    inspect: Callable[[int, Callable[[], Artifact]], None] = field(default=_no_inspection)


@dataclass(frozen=True)
class TrainingData:
    interactions: Interactions
    catalogue: Catalogue | None = None


class Model(ABC):
    """A family is one subclass in a file of its own, registered in `registry`.

    `starts` are configs worth a trial beside the defaults, because shops differ most in them; `search_space` is where
    tuning looks for better ones, empty for a family that has nothing to tune.
    """

    family: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    Config: ClassVar[type[ModelConfig]]
    starts: ClassVar[tuple[ModelConfig, ...]] = ()
    search_space: ClassVar[Space] = {}

    def __init__(self, config: ModelConfig) -> None:
        self.config = config

    @abstractmethod
    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        """Raises `RefusedError` with a reason where the data cannot be learned from; never returns NaN or infinity."""
