from __future__ import annotations

import numpy as np
import pytest

from common.errors import RefusedError
from common.models.matrix import user_items, weight_matrix
from common.schemas.data import EventType, Quantity, Weighting
from tests.shops import NOON, TINY, Event, interactions

RETURN = EventType.RETURN
VIEW = EventType.VIEW


def test_weights_of_a_persons_events_with_an_item_are_summed() -> None:
    data = interactions([Event("a", "x"), Event("a", "x", 1), Event("a", "x", 2, VIEW), Event("b", "y", qty=9)])
    matrix = user_items(data, Weighting(), NOON)
    np.testing.assert_allclose(matrix.cells.toarray(), [[2.2, 0.0], [0.0, 1.0]])
    assert matrix.cells.dtype == np.float32
    assert matrix.item_ids == ("x", "y")


def test_recency_and_quantity_enter_the_weight() -> None:
    data = interactions([Event("a", "x", 0, qty=1), Event("a", "y", 10, qty=50)])
    weighting = Weighting(half_life_days=10, quantity=Quantity.CAPPED)
    cells = weight_matrix(data, weighting, int(data.ts[-1]))
    np.testing.assert_allclose(cells.toarray(), [[0.5, 5.0]])


def test_what_was_returned_is_no_cell_and_who_has_no_cell_is_no_row() -> None:
    events = [Event("a", "x"), Event("a", "x", 1, RETURN), Event("b", "y"), Event("c", "x", 0, RETURN)]
    matrix = user_items(interactions(events, items=["unsold"]), Weighting(), NOON)
    assert matrix.item_ids == ("y",)
    assert matrix.user_keys.tolist() == [interactions(events).user_keys[1].tolist()]
    assert matrix.cells.toarray().tolist() == [[1.0]]


def test_events_without_consent_belong_to_nobody() -> None:
    matrix = user_items(interactions([Event(None, "x"), Event("a", "y")]), Weighting(), NOON)
    assert matrix.cells.shape == (1, 1)


def test_nothing_to_learn_is_refused_with_the_figures() -> None:
    with pytest.raises(RefusedError, match="3 events, 3 of them without consent"):
        user_items(TINY["nobody_consents"], Weighting(), NOON)
