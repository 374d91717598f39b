"""The page of a report: what stands in it, that nothing in it is markup but its own, and that it needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from common.evaluation.cases import Relevance
from common.evaluation.kind_questions import KINDS
from common.evaluation.report import words
from common.evaluation.report.charts import Axis, bar_chart, line_chart, round_values
from common.evaluation.report.document import (
    Attempt,
    Change,
    Curve,
    DataProfile,
    DueFigures,
    DueRanking,
    DueSection,
    KindRow,
    KindSection,
    Popularity,
    Product,
    RepeatsSection,
    Report,
    Row,
    SamplePerson,
    SimilarRow,
    SimilarSection,
    Spread,
    Window,
)
from common.evaluation.report.page import render
from common.evaluation.report.profile import profile_of
from common.schemas.data import EventType
from common.serving.kinds import DECLARATIONS
from tests.shops import TINY, Event, interactions

HOSTILE = '</li><script src="https://evil.example/x.js">alert(1)</script><img src=x onerror=alert(1)> & "Söhne"'
NAMES = ("ndcg@10", "ndcg@20", "recall@10", "recall@20", "hit_rate@10", "mrr@20", "coverage@10", "novelty@10")


def row(kind: str, name: str, ndcg: float, **fields: Any) -> Row:
    spread = Spread(mean=ndcg, low=ndcg - 0.01, high=ndcg + 0.01)
    return Row(
        kind=kind,
        name=name,
        ndcg=dict.fromkeys(Relevance, spread),
        lead=dict.fromkeys(Relevance, Spread(mean=0.3 - ndcg, low=0.29 - ndcg, high=0.31 - ndcg)),
        metrics={relevance: {"people": 90.0, **dict.fromkeys(NAMES, ndcg)} for relevance in Relevance},
        cold={"people": {"people": 3, "ndcg@10": 0.1}, "items": {"people": 0}},
        fit_s=1.5,
        peak_bytes=300 << 20,
        **fields,
    )


def of_all_purchases(about_both: Row) -> Row:
    parts = {name: {Relevance.ALL: getattr(about_both, name)[Relevance.ALL]} for name in ("ndcg", "lead", "metrics")}
    return about_both.model_copy(update=parts)


def report(**fields: Any) -> Report:
    full: dict[str, Any] = {
        "shop": "corner-shop",
        "version": "20261123T020000Z-00ff",
        "made_at": datetime(2026, 11, 23, 2, tzinfo=UTC),
        "family": "als",
        "decided_by": Relevance.NEW,
        "data": profile_of(interactions([Event("a", "x"), Event("a", "x", 40), Event("b", "y", 70)]), 5),
        "window": Window(first_day=date(2026, 10, 26), last_day=date(2026, 11, 22), people=90, newcomers=4),
        "table": (
            row("champion", "als", 0.3),
            of_all_purchases(row("as_served", "als as served", 0.4, purchased="boost")),
            row("family", "popular", 0.2),
            Row(kind="baseline", name="EASE", left_out="EASE is for up to 20,000 items, here are 63,000"),
        ),
        "repeats": RepeatsSection(hide=0.1, show=0.2, put_forward=0.31, boost=0.5, decision="boost"),
        "attempts": tuple(Attempt(family="als", seconds=2, score=score) for score in (0.2, None, 0.25, 0.22)),
        "curves": (Curve(name="gru4rec (default)", points=((1, 0.1), (2, 0.2))),),
        "popularity": Popularity(
            purchases=(0.55, *(0.05,) * 9),
            recommendations=(1.0, *(0.0,) * 9),
            people=10,
            shown_items=25,
            items=100,
        ),
        "previous": "20261122T020000Z-00aa",
        "changes": (Change(what="people", before="80", now="90", difference="+10"),),
        "people": (
            SamplePerson(
                label="A",
                purchases=7,
                items=5,
                bought=(Product(title=HOSTILE, note="2 times"),),
                recommended=(Product(title="Earl Grey", about="Tea", note=f"because of {HOSTILE}"),),
            ),
        ),
        "notices": (HOSTILE,),
    }
    return Report(**full | fields)


class Parsed(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_every_section_says_what_the_document_holds() -> None:
    page = Parsed(render(report()))
    ids = [attributes["id"] for tag, attributes in page.tags if tag == "h2"]
    assert ids == ["data", "models", "search", "popularity", "changes", "people", "notices"]
    for said in (
        "als is published",
        "Of 100 people, 30 would have found at least one of their purchases new to them",
        "and 20 in a list of what sells best",
        "From 1 January 2026 to 12 March 2026",
        "0.2000",
        "EASE is for up to 20,000 items",
        "4 settings were tried, 3 of them to the end",
        "put forward , 0.3100",
        "als as served the champion as visitors get it put forward",
        "“als as served” is the champion with them put forward, so it is what customers see",
        "100.0 % of the recommendations",
        "25 of 100 products",
        "+10",
        "7 purchases of 5 products",
    ):
        assert said.replace(" ,", ",") in page.text.replace(" ,", ","), said


def test_texts_of_the_shop_are_text() -> None:
    page = Parsed(render(report()))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert page.text.count(" ".join(HOSTILE.split())) == 3


def test_nothing_comes_from_elsewhere_and_the_policy_says_so() -> None:
    html = render(report(people=(), notices=()))
    page = Parsed(html)
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "form", "base", "use", "image"}
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "src", "xlink:href"}]
        assert (attributes.get("href") or "#").startswith("#")
    assert "//" not in html.replace("<!doctype html>", "")
    assert "@import" not in html
    assert "url(" not in html
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    [policy] = [a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a]
    assert policy is not None
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


def similar(**fields: Any) -> SimilarSection:
    rows = (
        SimilarRow(name="the blend", ndcg=spread(0.25), lead=spread(0.0), hit_rate=0.31, same_category=0.98),
        SimilarRow(name="nearest vectors", ndcg=spread(0.125), lead=spread(0.125), hit_rate=0.11, same_category=0.36),
        SimilarRow(name=HOSTILE, ndcg=spread(0.2), lead=Spread(mean=0.01, low=-0.01, high=0.02), hit_rate=0.2),
    )
    full = {"what": "interchange", "taken": True, "people": 1234, "questions": 56789, "table": rows}
    return SimilarSection.model_validate({**full, **fields})


def spread(mean: float) -> Spread:
    return Spread(mean=mean, low=mean - 0.01, high=mean + 0.01) if mean else Spread(mean=0, low=0, high=0)


def test_similar_products_have_a_table_of_their_own() -> None:
    page = Parsed(render(report(similar=similar())))
    assert ("h2", {"id": "similar"}) in page.tags
    for said in (
        "1,234 people and visits gave 56,789 questions",
        "what the same person bought instead of it within 60 days, in another basket",
        "the blend 0.2500 0.2400 – 0.2600 31.0 % 98.0 %",
        "nearest vectors 0.1250 0.1150 – 0.1350 +0.1250 +0.1150 – +0.1350 11.0 % 36.0 %",
        "level −0.0100 – +0.0200 20.0 % –",
        "The blend is served",
    ):
        assert said in page.text
    other = Parsed(render(report(similar=similar(what="next_viewed", taken=False)))).text
    assert "what was viewed next in the same visit" in other
    assert "The blend is clearly worse than the nearest vectors, so those are served." in other


def due(**fields: Any) -> DueSection:
    def ranking(name: str, lead: Spread) -> DueRanking:
        week = DueFigures(people=1234, ndcg=spread(0.25), recall=spread(0.31), lead=lead)
        return DueRanking(name=name, horizons={7: week, 28: week.model_copy(update={"people": 5678})})

    rankings = (ranking("buy-again", spread(0.0)), ranking(HOSTILE, spread(0.125)))
    level = ranking("own most recent", Spread(mean=0.01, low=-0.01, high=0.02))
    return DueSection.model_validate({"taken": True, "settings": {}, "table": (*rankings, level), **fields})


def test_what_is_due_has_a_table_for_each_horizon() -> None:
    page = Parsed(render(report(due=due())))
    assert ("h2", {"id": "due"}) in page.tags
    for said in (
        "In 7 days: 1,234 people",
        "In 28 days: 5,678 people",
        "buy-again 0.2500 0.2400 – 0.2600 31.0 %",
        "+0.1250 +0.1150 – +0.1350 31.0 %",
        "own most recent 0.2500 0.2400 – 0.2600 level −0.0100 – +0.0200 31.0 %",
        "What is due is served",
    ):
        assert said in page.text
    assert "What is due is not clearly better" in Parsed(render(report(due=due(taken=False)))).text


def place(kind: str, first: str = "complements") -> KindSection:
    rows = (
        KindRow(name=first, ndcg=spread(0.25), lead=spread(0.0), recall=0.31, other=0.2, same=0.1),
        KindRow(name="linked", ndcg=spread(0.125), lead=spread(0.125), recall=0.21),
        KindRow(name=HOSTILE, ndcg=spread(0.25), lead=Spread(mean=0.01, low=-0.01, high=0.02), recall=0.3),
    )
    return KindSection(kind=kind, first=first, usual="linked", asked=1234, questions=5678, table=rows)


def test_each_place_has_a_table() -> None:
    page = Parsed(render(report(kinds=tuple(place(kind) for kind in KINDS))))
    assert ("h2", {"id": "places"}) in page.tags
    for said in (
        "On the basket page: 5,678 questions of 1,234",
        "Because you bought: 5,678 questions of 1,234",
        "bought together more often than by chance 0.2500 0.2400 – 0.2600 31.0 % 0.2000 0.1000",
        "links between products 0.1250 0.1150 – 0.1350 +0.1250 +0.1150 – +0.1350 21.0 % – –",
        "level −0.0100 – +0.0200 30.0 %",
        "It stands in front of the usual list, links between products, and is clearly better.",
    ):
        assert said in page.text
    assert "The usual list stands first." in Parsed(render(report(kinds=(place("basket", "linked"),)))).text


def test_the_page_has_words_for_each_list_that_may_stand_first() -> None:
    assert set(words.PLACES) == set(KINDS)
    assert {listing for kind in KINDS for listing in DECLARATIONS[kind].contenders} <= set(words.LISTS)


def test_links_lead_to_sections() -> None:
    for shown in (
        report(),
        report(similar=similar()),
        report(due=due()),
        report(kinds=(place("basket"),)),
        report(people=(), popularity=None, table=(), attempts=()),
    ):
        page = Parsed(render(shown))
        ids = {f"#{attributes['id']}" for _, attributes in page.tags if attributes.get("id")}
        assert {attributes["href"] for tag, attributes in page.tags if tag == "a"} <= ids


def test_a_refused_run_says_why_and_what_stays() -> None:
    text = Parsed(render(report(family=None, refusal="als is worse than popular", people=(), popularity=None))).text
    assert "Nothing new is published. What was served stays. als is worse than popular" in text


def test_a_run_without_a_comparison_says_so() -> None:
    nothing = dict.fromkeys(("table", "attempts", "curves", "changes"), ())
    none = dict.fromkeys(("window", "repeats", "previous", "decided_by"))
    text = Parsed(render(report(unjudged="too little data", **nothing, **none))).text
    assert "No model was judged: too little data" in text
    assert "There was no search" in text
    assert "This is the first run" in text


@pytest.mark.parametrize("shop", [name for name, data in TINY.items() if len(data)])
def test_every_tiny_shop_has_a_profile_that_can_be_shown(shop: str) -> None:
    assert "<svg" in render(report(data=profile_of(TINY[shop], 0)))


def test_the_profile_is_as_counted_by_hand() -> None:
    events = [
        Event("a", "x"),
        Event("a", "x", 31),
        Event("a", "y", 31),
        Event("b", "x", 62, EventType.VIEW),
        Event(None, "z", 62),
    ]
    found = profile_of(interactions(events), 9)
    assert found == DataProfile(
        people=2,
        items=3,
        catalogue=9,
        events=5,
        anonymous=1,
        by_type={"purchase": 4, "view": 1},
        by_month={"2026-01": 1, "2026-02": 2, "2026-03": 2},
        first_day=date(2026, 1, 1),
        last_day=date(2026, 3, 4),
        repeat_share=1 - 2 / 3,
        density=2 / 6,
        median_events=2.0,
    )


def test_months_without_events_are_shown() -> None:
    found = profile_of(interactions([Event("a", "x"), Event("a", "x", 70)]), 1)
    assert found.by_month == {"2026-01": 1, "2026-02": 0, "2026-03": 1}


class TestCharts:
    def test_a_line_goes_through_its_points(self) -> None:
        chart = line_chart([("a", [(0, 0.0), (10, 1.0)])])
        [line] = chart.lines
        assert line.marks == ((chart.x(0), chart.y(0.0)), (chart.x(10), chart.y(1.0)))
        assert chart.y(1.0) < chart.y(0.0)

    def test_a_step_holds_its_value_until_the_next(self) -> None:
        chart = line_chart([("a", [(1, 0.2), (5, 0.4)])], stepped=True)
        (x1, y1), (x2, y2) = chart.lines[0].marks
        assert chart.lines[0].path == f"M{x1} {y1}H{x2}V{y2}"

    def test_one_point_and_equal_values_have_a_place(self) -> None:
        for points in ([(3, 0.5)], [(0, 0.0), (1, 0.0)]):
            chart = line_chart([("a", points)])
            assert np.isfinite(chart.lines[0].marks).all()

    def test_bars_are_as_high_as_their_values(self) -> None:
        chart = bar_chart(["x", "y"], [("", [1.0, 4.0]), ("", [2.0, 0.0])], str)
        heights = [[bar.height for bar in series] for series in chart.series]
        assert heights[0][1] == pytest.approx(4 * heights[0][0], rel=0.01)
        assert heights[1][1] == 0
        assert chart.series[0][0].x < chart.series[1][0].x < chart.series[0][1].x

    def test_ticks_are_round(self) -> None:
        assert [text for _, text in round_values(0, 0.43)] == ["0.0", "0.2", "0.4"]
        assert [text for _, text in round_values(0, 150_000)] == ["0", "50,000", "100,000", "150,000"]
        assert [text for _, text in round_values(0.081, 0.088)] == ["0.082", "0.084", "0.086", "0.088"]
        assert Axis(2, 2, 0, 10).ticks()[0].at == 5
