"""What stands in a report. Titles come from uploads and are text, never markup."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from common.evaluation.cases import Relevance


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataProfile(_Part):
    """What the run learned from. `by_month` counts events by "2026-01"; `repeat_share` is the share of purchases by
    known people of what they had bought before, None without any; `density` the share of all pairs of a person and an
    item that were bought; `anonymous` events came without consent."""

    people: int
    items: int
    catalogue: int
    events: int
    anonymous: int
    by_type: dict[str, int]
    by_month: dict[str, int]
    first_day: date
    last_day: date
    repeat_share: float | None
    density: float
    median_events: float


class Window(_Part):
    """The days that the table is about: `people` were known before, `newcomers` were not."""

    first_day: date
    last_day: date
    people: int
    newcomers: int


class Spread(_Part):
    mean: float
    low: float
    high: float


class Row(_Part):
    """A line of the table. `ndcg` and `lead` (by how much the champion is ahead) by relevance, empty where nobody was
    asked; `metrics` by relevance and name, of which `people` may be the only one; `left_out` tells why there are none.
    The champion "as_served" has the trend, and what was bought before is treated as `purchased` says.
    """

    kind: Literal["champion", "as_served", "served", "family", "baseline"]
    name: str
    origin: str | None = None
    purchased: Literal["hide", "show", "boost"] | None = None
    left_out: str | None = None
    ndcg: dict[Relevance, Spread] = {}
    lead: dict[Relevance, Spread] = {}
    metrics: dict[Relevance, dict[str, float]] = {}
    cold: dict[str, dict[str, float]] = {}
    fit_s: float | None = None
    peak_bytes: int | None = None


class RepeatsSection(_Part):
    """NDCG@10 of all purchases by what is done with items that a person has: left out, ranked as any other, or put
    forward by `boost`; `decision` is the best."""

    hide: float
    show: float
    put_forward: float
    boost: float
    decision: Literal["hide", "show", "boost"]


class Attempt(_Part):
    """One trial in the order of time; `score` is None for what was broken off."""

    family: str
    seconds: float
    score: float | None


class Curve(_Part):
    """What a model was worth after some of its iterations: (iteration, score)."""

    name: str
    points: tuple[tuple[int, float], ...]


class Popularity(_Part):
    """Tenths of the catalogue, the most bought first, each with its share of purchases and of recommendations, which
    `people` persons were given; `shown_items` of `items` were among them."""

    purchases: tuple[float, ...] = Field(min_length=10, max_length=10)
    recommendations: tuple[float, ...] = Field(min_length=10, max_length=10)
    people: int
    shown_items: int
    items: int


class Change(_Part):
    """A line of what is different from the run before; texts as they are to be read."""

    what: str
    before: str
    now: str
    difference: str = ""


class Product(_Part):
    """`title` is the id where the item has none; `about` its category and brand; `note` says how often it was bought,
    or why it is recommended."""

    title: str
    about: str = ""
    note: str = ""


class SamplePerson(_Part):
    """`label` is a letter: no report names anybody."""

    label: str
    purchases: int
    items: int
    bought: tuple[Product, ...]
    recommended: tuple[Product, ...]


class Report(_Part):
    """Of one run. `family` is what was published, None if nothing was: then `refusal` says why. `unjudged` says why
    there was no contest. `previous` is the version that `changes` compare with."""

    shop: str
    version: str
    made_at: datetime
    family: str | None
    params: dict[str, Any] = {}
    refusal: str | None = None
    unjudged: str | None = None
    decided_by: Relevance | None = None
    data: DataProfile
    window: Window | None = None
    table: tuple[Row, ...] = ()
    repeats: RepeatsSection | None = None
    trending: bool = False
    attempts: tuple[Attempt, ...] = ()
    curves: tuple[Curve, ...] = ()
    popularity: Popularity | None = None
    previous: str | None = None
    changes: tuple[Change, ...] = ()
    people: tuple[SamplePerson, ...] = ()
    notices: tuple[str, ...] = ()
