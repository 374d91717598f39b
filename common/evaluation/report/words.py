"""The page's words for names of the code, and the formats of its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from common.evaluation.cases import Relevance

MODELS: Final[Mapping[str, str]] = {
    "als": "tastes shared by people and products (matrix factorisation)",
    "bpr": "what a person prefers to the rest of the shop",
    "item2vec": "products bought close to each other",
    "lightfm": "tastes, and products by category, brand and price",
    "gru4rec": "the order in which things are bought (a neural network)",
    "popular": "what most different people bought lately; the same for everybody",
    "popular of 28 days": "what most people bought in four weeks; the same for everybody",
    "own most frequent": "what the person buys most often, then best sellers",
    "item-kNN": "what is bought by the buyers of the person's products",
    "EASE": "which products go with which, for all pairs at once",
    "VS-KNN": "what came in visits like the person's latest",
}
"""What each model and baseline learns from."""

KINDS: Final[Mapping[str, str]] = {
    "champion": "champion",
    "as_served": "the champion as visitors get it",
    "served": "served until now",
    "family": "model",
    "baseline": "yardstick",
}

RELEVANCES: Final[Mapping[Relevance, str]] = {
    Relevance.ALL: "Everything they bought",
    Relevance.NEW: "Only what was new to them",
}
"""The headings of the tables, by relevance."""

PURCHASES: Final[Mapping[Relevance, str]] = {
    Relevance.ALL: "purchases",
    Relevance.NEW: "purchases new to them",
}
"""The purchases that count, by relevance, within a sentence."""

EVENTS: Final[Mapping[str, str]] = {
    "purchase": "purchases",
    "view": "views",
    "cart": "put into the basket",
    "return": "returns",
}

REPEATS: Final[Mapping[str, str]] = {
    "hide": "left out",
    "show": "ranked like any other product",
    "boost": "put forward",
}
"""The treatments of repeat purchases."""

PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "basket": ("On the basket page", "a line of a basket, by its other lines"),
    "bought-together": ("Bought together", "the other lines of a basket, by one of them"),
    "session": ("In a visit", "the next product of a visit, by those before it"),
    "because-you-viewed": ("Because you viewed", "the next product of a visit, by the one viewed last"),
    "because-you-bought": ("Because you bought", "what was new to a person in the next order, by the order before"),
}
"""By kind: the heading, and what was asked."""

LISTS: Final[Mapping[str, str]] = {
    "linked": "links between products",
    "own": "the published model",
    "complements": "bought together more often than by chance",
    "bought_together": "bought together more often than by chance",
    "mixed": "both of these and the model as one",
    "neighbours": "similar products",
    "related": "similar products",
    "popular": "what is popular",
}
"""The lists that a kind is filled from."""

METRICS: Final[Mapping[str, str]] = {
    "ndcg@10": "NDCG@10",
    "ndcg@20": "NDCG@20",
    "recall@10": "recall@10",
    "recall@20": "recall@20",
    "hit_rate@10": "hit rate@10",
    "mrr@20": "MRR@20",
    "coverage@10": "coverage@10",
    "novelty@10": "novelty@10",
}
"""The metrics in the order of the columns."""


def count(value: float) -> str:
    return f"{value:,.0f}"


def score(value: float) -> str:
    return f"{value:.4f}"


def signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def percent(value: float) -> str:
    """A share in per cent, with two digits where it is small."""
    return f"{100 * value:.1f} %" if value == 0 or value >= 0.001 else f"{100 * value:.2g} %"


def points(value: float) -> str:
    """A difference of shares, in percentage points."""
    return f"{100 * value:+.1f} points".replace("-", "−")


def of_hundred(value: float) -> str:
    return f"{100 * value:.0f}"


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 10 else f"{value:,.0f} s"


def megabytes(value: float) -> str:
    return f"{value / 2**20:,.0f} MB"


def day(value: date) -> str:
    return f"{value.day} {value:%B %Y}"


def moment(value: datetime) -> str:
    return f"{day(value)}, {value:%H:%M} UTC"


def month(name: str) -> str:
    """The month in short: `2026-01` becomes `Jan 26`."""
    return f"{datetime.strptime(name, '%Y-%m'):%b %y}"


def model(name: str) -> str:
    return MODELS.get(name, "")


FILTERS: Final[Mapping[str, Callable[[Any], str]]] = {
    function.__name__: function
    for function in (count, score, signed, percent, of_hundred, seconds, megabytes, day, moment, model)
}
