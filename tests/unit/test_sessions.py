from __future__ import annotations

from dataclasses import replace

import numpy as np

from common.models.sessions import Sequences, histories_of, people_of, sessions_of
from common.schemas.data import DAY_S, EventType, Interactions, Weighting
from tests.shops import NOON, Event, interactions

MINUTE = 1 / 1440


def names(sequences: Sequences, data: Interactions) -> list[str]:
    """Each sequence as its items run together."""
    pieces = np.split(sequences.items, sequences.offsets[1:-1])
    return ["".join(data.item_ids[item] for item in piece) for piece in pieces]


def test_a_pause_of_more_than_half_an_hour_begins_another_session() -> None:
    data = interactions(
        [Event("a", "x", 0), Event("b", "y", MINUTE), Event("a", "z", 30 * MINUTE), Event("a", "w", 61 * MINUTE)]
    )
    sessions = sessions_of(data, Weighting())
    assert names(sessions, data) == ["xz", "y", "w"]
    assert sessions.people.tolist() == [0, 1, 0]


def test_an_order_goes_before_the_clock_and_a_session_before_both() -> None:
    data = interactions(
        [Event("a", "v", 0, order=7), Event("a", "w", 1, order=7), Event("a", "x", 2), Event("a", "y", 2, order=9)]
    )
    assert names(sessions_of(data, Weighting()), data) == ["vw", "x", "y"]
    marked = replace(data, sessions=np.array([-1, 7, -1, 7]))
    assert names(sessions_of(marked, Weighting()), data) == ["v", "wy", "x"]


def test_events_without_consent_make_a_session_only_where_the_shop_names_one() -> None:
    data = interactions([Event(None, "x"), Event(None, "y"), Event(None, "z", order=4), Event(None, "w", 9, order=4)])
    for sequences in (sessions_of(data, Weighting()), people_of(data, Weighting())):
        assert names(sequences, data) == ["zw"]
        assert sequences.people.tolist() == [-1]


def test_a_return_is_not_part_of_a_session() -> None:
    data = interactions([Event("a", "x"), Event("a", "y", MINUTE, EventType.RETURN), Event("a", "z", 2 * MINUTE)])
    assert names(sessions_of(data, Weighting()), data) == ["xz"]


def test_a_person_is_one_sequence_however_long_the_pause() -> None:
    data = interactions([Event("b", "x", 0), Event("a", "y", 1), Event("b", "z", 50, order=3)])
    assert names(people_of(data, Weighting()), data) == ["xz", "y"]


def test_a_history_has_each_item_once_in_order_of_its_last_event() -> None:
    events = [Event("a", item, day) for day, item in enumerate("xyxzw")]
    data = interactions([*events, Event("a", "w", 9, EventType.RETURN), Event(None, "w", 10)])
    assert names(histories_of(data, Weighting(), NOON + 10 * DAY_S), data) == ["yxz"]


def test_long_sequences_are_cut_and_short_ones_left_out() -> None:
    sequences = Sequences(np.array([0, 5, 6, 8]), np.arange(8, dtype=np.int32), np.array([4, 5, 6]))
    pieces = sequences.cut(2)
    assert (pieces.lengths.tolist(), pieces.people.tolist()) == ([2, 2, 1, 1, 2], [4, 4, 4, 5, 6])
    longer = pieces.of_length(2)
    assert (longer.offsets.tolist(), longer.items.tolist()) == ([0, 2, 4, 6], [0, 1, 2, 3, 6, 7])


def test_nothing_is_cut_into_nothing() -> None:
    empty = sessions_of(interactions([]), Weighting())
    assert len(empty) == len(empty.cut(3).of_length(2)) == 0
