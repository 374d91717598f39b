"""The interface of a model family: a config, declared capabilities, and `fit`, which returns an `Artifact`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from common.models.artifact import Artifact
from common.models.shape import DataShape
from common.models.space import Space, Width
from common.schemas.data import Catalogue, Interactions, Weighting
from common.schemas.pairs import PairRule


class LearnsFrom(StrEnum):
    """What a family's vectors depend on."""

    PURCHASES = "who bought what"
    COMPANY = "what is bought together"
    SEQUENCE = "in which order things are bought or viewed"
    CATALOGUE = "category, brand and price"
    COUNTS = "how many people bought things"


@dataclass(frozen=True)
class Capabilities:
    """The abilities of a family, declared here and tested both ways, so that nobody has to catch an exception to learn
    them.

    sessions: the encoder makes a query vector from items alone, without a stored person.
    new_items: `fit` gives vectors to catalogue items that have no events.
    incremental: `Artifact.encoder` over a person's whole history equals a new fit of that person, so update may
    recompute people.
    deterministic: the same data, config, seed and threads give the same arrays.
    people: it can answer a known person alone. A family that cannot is served beside one that can, for visits and
    baskets only.
    """

    sessions: bool
    new_items: bool
    incremental: bool
    deterministic: bool
    learns_from: tuple[LearnsFrom, ...]
    fit_s: float | None = None
    people: bool = True


class ModelConfig(BaseModel):
    """Hyperparameters of a family; each family has a subclass with its own. Values of one run are in `FitOptions`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weighting: Weighting = Weighting()


@dataclass(frozen=True)
class OptionalLibrary:
    """A module that `fit` of one family alone imports, and that an environment may do without. `install` is the command
    that brings it."""

    module: str
    install: str

    @property
    def is_there(self) -> bool:
        return find_spec(self.module) is not None


def _no_report(step: int, steps: int) -> None:
    pass


def _no_inspection(step: int, snapshot: Callable[[], Artifact]) -> None:
    pass


@dataclass(frozen=True)
class FitOptions:
    """The values of one run of `fit`.

    threads: at least 1
    now_s: the time (epoch seconds) from which recency is counted, normally the newest event's
    pairs: who must be behind a pair of items that a family stores as such
    report(step, steps): called during the fit, as it makes progress
    inspect(step, snapshot): called during the fit by families that can show a partial result; `snapshot()` is the
    artifact so far

    `report` and `inspect` may end the fit by raising an exception.
    """

    seed: int
    threads: int
    now_s: int
    report: Callable[[int, int], None] = field(default=_no_report)
    inspect: Callable[[int, Callable[[], Artifact]], None] = field(default=_no_inspection)
    pairs: PairRule = field(default_factory=PairRule)


@dataclass(frozen=True)
class TrainingData:
    """The input of `fit`: the events and, if the shop has uploaded one, the catalogue."""

    interactions: Interactions
    catalogue: Catalogue | None = None


ConfigT = TypeVar("ConfigT", bound=ModelConfig, covariant=True)
"""Covariant, so that `Model[ModelConfig]` is a model of whatever family."""


class Model(ABC, Generic[ConfigT]):
    """The base class of a family: one subclass in a file of its own, registered in `registry`.

    `library` is what the family needs beyond the extra `train`. `starts` are configs tried beside the defaults,
    because shops differ most in them. `search_space` is where tuning looks for better values; it is empty for a family
    with nothing to tune. Below `least_events` the family is not tried unless it is asked for by name: it would take
    minutes to learn nothing.
    """

    family: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    Config: type[ConfigT]
    library: ClassVar[OptionalLibrary | None] = None
    starts: ClassVar[tuple[ModelConfig, ...]] = ()
    search_space: ClassVar[Space] = {}
    least_events: ClassVar[int] = 0

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """A model with these parameters, and the defaults for those that are left out. Raises pydantic's
        `ValidationError` for a parameter that the family does not take."""
        return cls(cls.Config.model_validate(params))

    def suited(self, shape: DataShape) -> Self:
        """The model with settings that data of this shape can carry: no vectors wider than it allows, and no half-life
        where its times tell nothing."""
        config = self.config
        wide = [path for path, range_ in self.search_space.items() if isinstance(range_, Width)]
        changes: dict[str, Any] = {path: shape.width for path in wide if getattr(config, path) > shape.width}
        if not shape.timed and config.weighting.half_life_days is not None:
            changes["weighting"] = config.weighting.model_copy(update={"half_life_days": None})
        return type(self)(config.model_copy(update=changes)) if changes else self

    @classmethod
    def lacks(cls) -> str | None:
        """Why the family cannot learn in this environment, with the remedy; None where it can."""
        if cls.library is None or cls.library.is_there:
            return None
        return f"{cls.family} needs {cls.library.module}, which is not installed: {cls.library.install}"

    @abstractmethod
    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        """The trained model. Never contains NaN or infinity.

        Raises `RefusedError`, with the reason, where the data cannot be learned from.
        """
