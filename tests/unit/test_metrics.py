"""Hand-worked cases. Two people: the first bought three items and is shown hits at ranks 1 and 3, the second bought
one and is shown none."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from common.evaluation.bootstrap import RESAMPLES, interval, paired_interval, resampled_means
from common.evaluation.metrics import coverage_at_k, hit_rate_at_k, mrr_at_k, ndcg_at_k, novelty_at_k, recall_at_k

HITS = np.array([[True, False, True, False], [False, False, False, False]])
RELEVANT = np.array([3, 1], dtype=np.int32)


def test_ndcg() -> None:
    best_of_three = 1 + 1 / log2(3) + 1 / 2
    np.testing.assert_allclose(ndcg_at_k(HITS, RELEVANT, 3), [(1 + 1 / 2) / best_of_three, 0])
    np.testing.assert_allclose(ndcg_at_k(HITS, RELEVANT, 2), [1 / (1 + 1 / log2(3)), 0])


def test_ndcg_of_the_best_list_is_one_even_if_there_are_fewer_items_than_places() -> None:
    hits = np.array([[True, True, False, False]])
    assert ndcg_at_k(hits, np.array([2], dtype=np.int32), 4) == pytest.approx(1)
    assert ndcg_at_k(hits, np.array([2], dtype=np.int32), 10) == pytest.approx(1)


def test_recall_counts_what_could_not_be_shown_too() -> None:
    np.testing.assert_allclose(recall_at_k(HITS, RELEVANT, 4), [2 / 3, 0])
    np.testing.assert_allclose(recall_at_k(HITS, RELEVANT, 1), [1 / 3, 0])


def test_hit_rate() -> None:
    assert hit_rate_at_k(HITS, 4).tolist() == [1, 0]
    assert hit_rate_at_k(~HITS, 1).tolist() == [0, 1]
    assert hit_rate_at_k(HITS, 4).dtype == np.float64


def test_mrr_takes_the_first_hit() -> None:
    assert mrr_at_k(HITS, 4).tolist() == [1, 0]
    assert mrr_at_k(HITS[:, 1:], 3).tolist() == [1 / 2, 0]
    assert mrr_at_k(HITS[:, 1:], 1).tolist() == [0, 0]
    assert mrr_at_k(~HITS, 4).tolist() == [1 / 2, 1]


def test_coverage_counts_each_item_once_and_no_empty_place() -> None:
    assert coverage_at_k(np.array([[0, 1, -1], [1, 2, -1]], dtype=np.int32), 10, 3) == pytest.approx(0.3)
    assert coverage_at_k(np.array([[0, 1, -1], [1, 2, -1]], dtype=np.int32), 10, 1) == pytest.approx(0.2)


def test_novelty_is_the_surprise_in_bits() -> None:
    buyers = np.array([7, 1, 0])
    shown = np.array([[0, 1], [2, -1]], dtype=np.int32)
    assert novelty_at_k(shown, buyers, 7, 2) == pytest.approx((0 + 2 + 3) / 3)
    assert novelty_at_k(shown[:, :1], buyers, 7, 1) == pytest.approx((0 + 3) / 2)
    assert novelty_at_k(np.full((2, 3), -1, dtype=np.int32), buyers, 7, 2) == 0


def test_the_interval_of_a_clear_difference_lies_above_zero() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.random(400)
    low, high = paired_interval(theirs + 0.1 + rng.normal(0, 0.1, 400), theirs, seed=1)
    assert 0.085 < low < 0.1 < high < 0.115
    assert paired_interval(theirs, theirs, seed=1) == (0, 0)


def test_an_interval_leaves_out_a_fortieth_on_either_side() -> None:
    assert interval(np.arange(1001, dtype=np.float64)) == pytest.approx((25, 975))


def test_everybody_is_as_likely_in_a_resample_and_a_seed_gives_the_same_again() -> None:
    """Each person is a column of their own, so the means are the shares of people in the resamples."""
    shares = resampled_means(np.eye(4), seed=3)
    assert shares.shape == (RESAMPLES, 4)
    assert shares.mean(axis=0) == pytest.approx([0.25] * 4, abs=0.03)
    np.testing.assert_array_equal(shares, resampled_means(np.eye(4), seed=3))
    assert not np.array_equal(shares, resampled_means(np.eye(4), seed=4))
    values = np.arange(40, dtype=np.float64)
    assert paired_interval(values, values[::-1], seed=5) == paired_interval(values, values[::-1], seed=5)
