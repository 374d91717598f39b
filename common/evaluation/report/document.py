"""The content of a report. Titles come from uploads; they are text, never markup."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from common.evaluation.cases import Relevance


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataProfile(_Part):
    """The data that the run learned from.

    by_month: number of events by "2026-01"
    repeat_share: share of known people's purchases that repeat an earlier one, None without purchases
    density: share of all pairs of a person and an item that were bought
    anonymous: events without consent
    """

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
    """The days of the test window. `people` had events before it, `newcomers` had none."""

    first_day: date
    last_day: date
    people: int
    newcomers: int


class Spread(_Part):
    """A mean and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


class Row(_Part):
    """A row of the leaderboard.

    ndcg, lead: by relevance; `lead` is by how much the champion is better. Empty where nobody has a relevant purchase
    metrics: by relevance and name; `people` may be the only one
    left_out: the reason why a row has no figures
    purchased: the treatment of repeat purchases in the row "as_served", which also has the trend
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
    """NDCG@10 of all purchases for each treatment of repeat purchases; `decision` is the best."""

    hide: float
    show: float
    put_forward: float
    boost: float
    decision: Literal["hide", "show", "boost"]


class SimilarRow(_Part):
    """A method for similar items. lead: by how much the blend is better; same_category: the share of the first five
    places that are of the item's own category, of the best sellers, None where it was not counted."""

    name: str
    ndcg: Spread
    lead: Spread
    hit_rate: float
    same_category: float | None = None


class SimilarSection(_Part):
    """How similar items were judged. taken: whether the blend is served; people: who were asked; questions: of all of
    them."""

    what: Literal["next_viewed", "interchange"]
    taken: bool
    people: int
    questions: int
    table: tuple[SimilarRow, ...]


class DueFigures(_Part):
    """How a ranking found what people bought again; `lead` is by how much what is due is better."""

    people: int
    ndcg: Spread
    recall: Spread
    lead: Spread


class DueRanking(_Part):
    """A ranking of what a person has bought, with its figures by days of the horizon."""

    name: str
    horizons: dict[int, DueFigures]


class DueSection(_Part):
    """How `buy-again` was judged. taken: whether it is ranked by what is due, or by own purchases alone; settings: as
    `DueSettings` names them."""

    taken: bool
    settings: dict[str, float]
    table: tuple[DueRanking, ...]


class KindRow(_Part):
    """A list that a kind may be filled from, or what it is held against. lead: by how much the first row is better;
    other, same: NDCG@10 of what is of another category than the question, and of the same, None where nothing is."""

    name: str
    ndcg: Spread
    lead: Spread
    recall: float
    other: float | None = None
    same: float | None = None


class KindSection(_Part):
    """How a kind that leads from items to others was judged. first: the list that stands first in it, usual: the one
    that does where no other is clearly better; asked: visits, baskets or people."""

    kind: str
    first: str
    usual: str
    asked: int
    questions: int
    table: tuple[KindRow, ...]


class Attempt(_Part):
    """A trial, in the order of time; `score` is None for a trial that was stopped."""

    family: str
    seconds: float
    score: float | None


class Curve(_Part):
    """The score of a model after some of its iterations: (iteration, score)."""

    name: str
    points: tuple[tuple[int, float], ...]


class Popularity(_Part):
    """Tenths of the catalogue, the best sellers first, with their shares of purchases and of recommendations.

    `people` persons got the recommendations; `shown_items` of `items` were among them.
    """

    purchases: tuple[float, ...] = Field(min_length=10, max_length=10)
    recommendations: tuple[float, ...] = Field(min_length=10, max_length=10)
    people: int
    shown_items: int
    items: int


class Change(_Part):
    """A difference to the run before, as texts for reading."""

    what: str
    before: str
    now: str
    difference: str = ""


class Product(_Part):
    """A product in a list of a sample person.

    `title` is the id where the item has none; `about` its category and brand; `note` how often it was bought, or why it
    is recommended.
    """

    title: str
    about: str = ""
    note: str = ""


class SamplePerson(_Part):
    """A sample person. `label` is a letter, because no report names anybody."""

    label: str
    purchases: int
    items: int
    bought: tuple[Product, ...]
    recommended: tuple[Product, ...]


class Report(_Part):
    """The report of one run.

    family: the published family; None if nothing was published, and `refusal` is then the reason
    unjudged: the reason why there was no comparison
    decided_by: the relevance that decided
    table: the leaderboard, the champion first
    previous: the version that `changes` compare with
    """

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
    similar: SimilarSection | None = None
    due: DueSection | None = None
    kinds: tuple[KindSection, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    curves: tuple[Curve, ...] = ()
    popularity: Popularity | None = None
    previous: str | None = None
    changes: tuple[Change, ...] = ()
    people: tuple[SamplePerson, ...] = ()
    notices: tuple[str, ...] = ()
