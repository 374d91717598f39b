"""The figures of a report: places in its charts, orders of its tables, formats, and the profile of the data."""

from __future__ import annotations

import math
import time
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from common.evaluation.cases import Relevance
from common.evaluation.judge import FEW_ITEMS
from common.evaluation.report import page, words
from common.evaluation.report.charts import Axis, Bar, BarChart, Line, LineChart, Tick, bar_chart, line_chart
from common.evaluation.report.charts import round_values as rounded
from common.evaluation.report.document import Attempt, Curve, Popularity, Report, Row, Spread
from common.evaluation.report.profile import profile_of
from common.schemas.data import DAY_S, EventType
from tests.shops import NOON, Event, interactions

ALL, NEW = Relevance.ALL, Relevance.NEW
X = (52.0, 324.0)
Y = (156.0, 10.0)
"""Where the axes of every chart begin and end, in its view box of 340 by 180."""


class TestLines:
    def test_lines_have_common_axes_with_room_above_and_below(self) -> None:
        chart = line_chart([("a", [(2, 1.0), (8, 2.0), (10, 1.5)]), ("b", [(4, 1.2)])])
        x, y = Axis(0.0, 10, *X), Axis(0.92, 2.08, *Y)
        assert chart == LineChart(
            x,
            y,
            (
                Line("a", "M106.4 145.9L269.6 20.1L324.0 83.0", ((106.4, 145.9), (269.6, 20.1), (324.0, 83.0))),
                Line("b", "M160.8 120.8", ((160.8, 120.8),)),
            ),
        )

    def test_a_step_goes_across_and_then_up(self) -> None:
        [line] = line_chart([("a", [(2, 1.0), (8, 2.0), (10, 2.0)])], stepped=True).lines
        assert line.path == "M106.4 145.9H269.6V20.1H324.0V20.1"

    @pytest.mark.parametrize(
        ("points", "x", "y"),
        [
            ([(-5, 0.01), (5, 1.0)], (-5, 5), (0.0, 1.0792)),
            ([(3, 2.0)], (0.0, 3), (1.9, 2.1)),
            ([(3, 0.0)], (0.0, 3), (0.0, 1.0)),
        ],
    )
    def test_axes_hold_0_across_and_nothing_below_it(
        self, points: list[tuple[float, float]], x: tuple[float, float], y: tuple[float, float]
    ) -> None:
        chart = line_chart([("a", points)])
        assert (chart.x.low, chart.x.high) == x
        assert (chart.y.low, chart.y.high) == pytest.approx(y)


def test_an_axis_is_linear_and_rounds_to_a_tenth() -> None:
    axis = Axis(2, 5, 10.0, 30.0)
    assert [axis(value) for value in (2, 3, 5, 6.5)] == [10.0, 16.7, 30.0, 40.0]
    assert Axis(2, 3, 0.0, 30.0).ticks() == [Tick(0.0, "2.0"), Tick(15.0, "2.5"), Tick(30.0, "3.0")]
    assert Axis(3, 2, 0.0, 30.0)(9) == 15.0


@given(
    low=st.sampled_from([0.0, 0.1, 1.0, -3.0, 17.3, 1234.5]),
    width=st.floats(0.001, 200_000, allow_nan=False),
)
def test_round_values_are_the_multiples_of_the_least_round_step_that_gives_few(low: float, width: float) -> None:
    high = low + width
    steps = [(10.0**power * factor, power) for power in range(-6, 7) for factor in (1, 2, 5)]
    step, power = next((step, power) for step, power in steps if step >= (high - low) / 4 * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    wanted = [number * step for number in range(first, last + 1)]
    assert [value for value, _ in rounded(low, high)] == pytest.approx(wanted)
    assert [text for _, text in rounded(low, high)] == [f"{value:,.{max(0, -power)}f}" for value in wanted]


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 4, ["0", "1", "2", "3", "4"]),
        (0, 8, ["0", "2", "4", "6", "8"]),
        (0, 20, ["0", "5", "10", "15", "20"]),
        (0, 40, ["0", "10", "20", "30", "40"]),
        (0, 0.4, ["0.0", "0.1", "0.2", "0.3", "0.4"]),
        (0, 4_000_000, ["0", "1,000,000", "2,000,000", "3,000,000", "4,000,000"]),
        (2.5, 2.5, ["2.5"]),
        (2, 1, ["2"]),
    ],
)
def test_round_values_take_in_both_ends(low: float, high: float, texts: list[str]) -> None:
    assert [text for _, text in rounded(low, high)] == texts


class TestBars:
    def test_bars_of_two_series_are_side_by_side_within_four_fifths_of_a_place(self) -> None:
        chart = bar_chart(["p", "q"], [("one", [3.0, 0.0]), ("two", [1.5, 4.0])], lambda value: f"{value:.1f} pieces")
        place, width = (324 - 52) / 2, 54.4
        first, second = 52 + place * 0.1, 52 + place * 1.1
        assert chart == BarChart(
            Axis(0, 4.0, *Y),
            ("one", "two"),
            (
                (
                    Bar(round(first, 1), 46.5, width, 109.5, "p", "p: 3.0 pieces one"),
                    Bar(round(second, 1), 156.0, width, 0.0, "q", "q: 0.0 pieces one"),
                ),
                (
                    Bar(round(first + width, 1), 101.2, width, 54.8, "p", "p: 1.5 pieces two"),
                    Bar(round(second + width, 1), 10.0, width, 146.0, "q", "q: 4.0 pieces two"),
                ),
            ),
        )
        assert chart.series[0][0].middle == round(first + width / 2, 1)

    def test_places_and_widths_are_rounded_to_a_tenth(self) -> None:
        [bars] = bar_chart(["p", "q", "r"], [("", [1.0, 3.0, 2.0])], str).series
        assert [(bar.x, bar.y, bar.width, bar.height, bar.middle) for bar in bars] == [
            (61.1, 107.3, 72.5, 48.7, 97.3),
            (151.7, 10.0, 72.5, 146.0, 187.9),
            (242.4, 58.7, 72.5, 97.3, 278.6),
        ]

    def test_one_bar_without_a_name_takes_four_fifths_of_the_chart(self) -> None:
        assert bar_chart(["p"], [("", [1.0])], str).series == ((Bar(79.2, 10.0, 217.6, 146.0, "p", "p: 1.0"),),)

    @pytest.mark.parametrize(("number", "labelled"), [(6, 6), (7, 4), (13, 7), (14, 5)])
    def test_labels_that_would_touch_are_left_out(self, number: int, labelled: int) -> None:
        labels = [f"m{place}" for place in range(number)]
        [bars] = bar_chart(labels, [("", [1.0] * number)], str).series
        shown = [bar.label for bar in bars if bar.label]
        assert shown == labels[:: math.ceil(number / labelled)]
        assert len(shown) == labelled
        assert [bar.text for bar in bars] == [f"{label}: 1.0" for label in labels]

    @pytest.mark.parametrize(("highest", "end"), [(0.0, 1.0), (0.43, 0.6), (3.0, 3.0), (4.0, 4.0), (4.1, 6.0), (7, 8)])
    def test_the_axis_ends_at_the_first_tick_that_no_bar_goes_beyond(self, highest: float, end: float) -> None:
        chart = bar_chart(["p", "q"], [("", [0.0, highest])], str)
        assert [chart.y.low, chart.y.high] == pytest.approx([0, end])

    def test_a_chart_without_bars_has_an_axis(self) -> None:
        assert bar_chart([], [("", [])], str) == BarChart(Axis(0, 1.0, *Y), ("",), ((),))


DATA = profile_of(interactions([Event("a", "x"), Event("b", "y", 31), Event("b", "z", 32)]), 5)


def made(**fields: Any) -> Report:
    head = {"shop": "s", "version": "v", "made_at": datetime(2026, 11, 23, 2, tzinfo=UTC), "family": "als"}
    return Report(**{**head, "data": DATA, **fields})


def judged(name: str, ndcg: dict[Relevance, float]) -> Row:
    spreads = {key: Spread(mean=mean, low=mean - 0.1, high=mean + 0.1) for key, mean in ndcg.items()}
    return Row(kind="family", name=name, ndcg=spreads, metrics={key: {"people": 1.0} for key in spreads})


def given_to_template(report: Report, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's template is rendered with."""
    found: dict[str, Any] = {}

    class Template:
        def render(self, **context: Any) -> str:
            found.update(context)
            return "the page"

    class Environment:
        def get_template(self, name: str) -> Template:
            assert name == "page.html"
            return Template()

    monkeypatch.setattr(page, "_environment", Environment)
    assert page.render(report) == "the page"
    return found


class TestPage:
    def test_tables_hold_what_was_judged_and_say_what_was_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = (
            judged("als", {ALL: 0.3, NEW: 0.1}),
            judged("bpr", {ALL: 0.5}),
            judged("popular", {ALL: 0.4, NEW: 0.2}),
            Row(kind="baseline", name="EASE", left_out="too large"),
        )
        context = given_to_template(made(table=rows), monkeypatch)
        assert context["champion"] == rows[0]
        assert context["judged"] == list(rows[:3])
        assert context["left_out"] == [rows[3]]
        assert context["relevances"] == (ALL, NEW)
        names = {relevance: [row.name for row in ranked] for relevance, ranked in context["ranked"].items()}
        assert names == {ALL: ["bpr", "popular", "als"], NEW: ["popular", "als"]}
        assert {relevance: axis.high for relevance, axis in context["scales"].items()} == {
            ALL: pytest.approx(0.6),
            NEW: pytest.approx(0.3),
        }
        assert {(axis.low, axis.start, axis.end) for axis in context["scales"].values()} == {(0.0, 4.0, 196.0)}
        assert (context["words"], context["PRIMARY"], context["FEW_ITEMS"]) == (words, "ndcg@10", FEW_ITEMS)

    @pytest.mark.parametrize("table", [(), (judged("als", {ALL: -0.1}),)])
    def test_a_scale_without_a_length_is_of_length_1(
        self, table: tuple[Row, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        context = given_to_template(made(table=table), monkeypatch)
        assert context["champion"] == (table[0] if table else None)
        assert context["scales"] == dict.fromkeys(Relevance, Axis(0.0, 1.0, 4.0, 196.0))

    def test_months_and_tenths_are_bars(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shares = tuple((10 - place) / 55 for place in range(10))
        popularity = Popularity(purchases=shares, recommendations=shares[::-1], people=9, shown_items=4, items=10)
        context = given_to_template(made(popularity=popularity), monkeypatch)
        assert context["months"] == bar_chart(["Jan 26", "Feb 26"], [("", [1, 2])], words.count)
        assert [bar.text for bar in context["months"].series[0]] == ["Jan 26: 1", "Feb 26: 2"]
        tenths = context["tenths"]
        assert [bar.label for bar in tenths.series[0]] == ["1", "", "3", "", "5", "", "7", "", "9", ""]
        assert tenths.series[0][9].x == round(52 + 27.2 * 9.1, 1)
        assert tenths.names == ("of purchases", "of recommendations")
        assert [bar.text for bar in tenths.series[0]][::9] == ["1: 18.2 % of purchases", "10: 1.8 % of purchases"]
        assert [bar.text for bar in tenths.series[1]][::9] == [
            "1: 1.8 % of recommendations",
            "10: 18.2 % of recommendations",
        ]
        assert tenths.y.high == 20
        assert given_to_template(made(), monkeypatch)["tenths"] is None

    def test_the_search_is_the_best_so_far_by_trials_and_by_seconds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        scores = ((5.0, None), (2.0, 0.2), (3.0, 0.1), (4.0, None), (1.0, 0.3))
        attempts = tuple(Attempt(family="als", seconds=seconds, score=score) for seconds, score in scores)
        search = given_to_template(made(attempts=attempts), monkeypatch)["search"]
        assert search == {
            "trials": line_chart([("best so far", [(2, 0.2), (3, 0.2), (5, 0.3)])], stepped=True),
            "seconds": line_chart([("best so far", [(7.0, 0.2), (10.0, 0.2), (15.0, 0.3)])], stepped=True),
        }
        assert given_to_template(made(attempts=attempts[:2]), monkeypatch)["search"] == {}
        assert given_to_template(made(attempts=attempts[1:3]), monkeypatch)["search"].keys() == search.keys()

    def test_learning_is_a_line_for_each_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        curves = (Curve(name="gru4rec", points=((1, 0.1), (2, 0.2))), Curve(name="bpr", points=((1, 0.3),)))
        wanted = line_chart([("gru4rec", [(1, 0.1), (2, 0.2)]), ("bpr", [(1, 0.3)])])
        assert given_to_template(made(curves=curves), monkeypatch)["learning"] == wanted
        assert given_to_template(made(), monkeypatch)["learning"] is None

    def test_a_name_that_the_page_does_not_get_is_an_error_and_no_gap(self) -> None:
        with pytest.raises(UndefinedError):
            page._environment().from_string("{{ missing }}").render()

    def test_a_line_with_a_command_only_is_no_line_of_the_page(self) -> None:
        text = "<p>\n  {% if true %}\n  a\n  {% endif %}\n</p>"
        assert page._environment().from_string(text).render() == "<p>\n  a\n</p>"

    def test_the_policy_is_for_this_style_sheet(self) -> None:
        assert page.policy_for("p { color: red }") == (
            "default-src 'none'; style-src 'sha256-ngewhhP73WDIbgwseeu52VAAJgKdGUsu1IUQQsAm8m4='; "
            "base-uri 'none'; form-action 'none'"
        )


@pytest.mark.parametrize(
    ("say", "value", "text"),
    [
        (words.count, 1234.5, "1,234"),
        (words.score, 0.12345, "0.1235"),
        (words.signed, -0.12345, "−0.1235"),
        (words.signed, 0.5, "+0.5000"),
        (words.percent, 0.0, "0.0 %"),
        (words.percent, 0.001, "0.1 %"),
        (words.percent, 0.000999, "0.1 %"),
        (words.percent, 0.0001234, "0.012 %"),
        (words.percent, 0.5, "50.0 %"),
        (words.percent, 1.0, "100.0 %"),
        (words.percent, 0.00099, "0.099 %"),
        (words.points, 0.5, "+50.0 points"),
        (words.points, -0.0123, "−1.2 points"),
        (words.points, 0.0123, "+1.2 points"),
        (words.of_hundred, 0.216, "22"),
        (words.of_hundred, 0.96, "96"),
        (words.seconds, 9.96, "10.0 s"),
        (words.seconds, 10, "10 s"),
        (words.seconds, 1234, "1,234 s"),
        (words.megabytes, 300 << 20, "300 MB"),
        (words.megabytes, 5_000 << 20, "5,000 MB"),
        (words.day, date(2026, 3, 4), "4 March 2026"),
        (words.moment, datetime(2026, 3, 4, 5, 6), "4 March 2026, 05:06 UTC"),
        (words.month, "2026-03", "Mar 26"),
        (words.model, "no such model", ""),
        (words.model, "als", words.MODELS["als"]),
    ],
)
def test_a_figure_is_written_as(say: Any, value: Any, text: str) -> None:
    assert say(value) == text


events = st.builds(
    Event,
    user=st.sampled_from(["a", "b", "c", "d", "e", None]),
    item=st.sampled_from("xy"),
    day=st.integers(0, 200).map(lambda half: half / 2),
    kind=st.sampled_from(EventType),
)


@given(rows=st.lists(events, min_size=1, max_size=30))
def test_the_profile_is_as_loops_over_the_events_count_it(rows: list[Event]) -> None:
    rows.sort(key=lambda event: event.day)
    found = profile_of(interactions(rows), 9)
    of_person = Counter(event.user for event in rows if event.user is not None)
    bought = [event for event in rows if event.user is not None and event.kind is EventType.PURCHASE]
    pairs = {(event.user, event.item) for event in bought}
    moments = {(event.user, event.item, event.day) for event in bought}
    days = [datetime.fromtimestamp(NOON + event.day * DAY_S, UTC).date() for event in rows]
    months = {f"2026-{month:02}": 0 for month in range(days[0].month, days[-1].month + 1)}
    for day in days:
        months[f"{day:%Y-%m}"] += 1
    assert found.people == len(of_person)
    assert (found.items, found.catalogue) == (len({event.item for event in rows}), 9)
    assert (found.events, found.anonymous) == (len(rows), len(rows) - of_person.total())
    assert found.by_type == Counter(event.kind.value for event in rows)
    assert found.by_month == months
    assert (found.first_day, found.last_day) == (days[0], days[-1])
    assert found.repeat_share == (1 - len(pairs) / len(moments) if moments else None)
    assert found.density == (len(pairs) / (found.people * found.items) if of_person else 0)
    assert found.median_events == (float(np.median(list(of_person.values()))) if of_person else 0)


def test_items_and_people_without_events_are_not_counted() -> None:
    everything = interactions([Event("b", "w"), *(Event(user, "x", 1) for user in "aacccd")], items="wxyz")
    found = profile_of(everything.where(everything.ts > NOON), 4)
    assert (found.people, found.items, found.median_events) == (3, 1, 2.0)
    assert found.density == 1.0


@pytest.mark.parametrize("users", ["abab", "abcabc", "abcdabcd"])
def test_lines_of_one_moment_are_one_purchase_however_many_moments_there_are(users: str) -> None:
    """Which orders of equal keys a sort leaves as they were depends on the machine's processor: hence several."""
    rows = [Event(user, "x", day) for day in range(100) for user in users]
    assert profile_of(interactions(rows), 1).repeat_share == pytest.approx(1 - 1 / 100)


def test_days_are_those_of_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Kiritimati")
        time.tzset()
        found = profile_of(interactions([Event("a", "x")]), 1)
    time.tzset()
    assert (found.first_day, found.by_month) == (date(2026, 1, 1), {"2026-01": 1})
