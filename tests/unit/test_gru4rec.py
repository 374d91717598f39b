from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from common.errors import Diverged, RefusedError
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.gru.adagrad import Adagrad
from common.models.gru.batches import session_parallel
from common.models.gru.config import GRU4RecConfig
from common.models.gru.losses import bpr_max, cross_entropy
from common.models.gru4rec import GRU4Rec
from common.models.sessions import Sequences
from common.schemas.data import Interactions
from common.serving.encoders import gru
from tests.shops import NOON, Event, interactions

SMALL = {"embedding_size": 8, "batch_size": 4, "n_sample": 8, "epochs": 20, "dropout_embedding": 0.0}
MINUTE = 1 / 1440


def sequences(*lengths: int) -> Sequences:
    """Items counted through, so that each stands in one place only."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Sequences(offsets, np.arange(offsets[-1], dtype=np.int32), np.full(len(lengths), -1))


def chains(n: int) -> Interactions:
    """Sessions of three that always go one item further along a ring of nine."""
    return interactions(
        Event(f"u{session:02}", f"i{(session + step) % 9}", session + step * MINUTE)
        for session in range(n)
        for step in range(3)
    )


def fit(data: Interactions, **params: object) -> Artifact:
    return GRU4Rec(GRU4RecConfig.model_validate(SMALL | params)).fit(TrainingData(data), FitOptions(1, 1, NOON))


def query(artifact: Artifact, *items: str) -> np.ndarray:
    vectors = artifact.item_vectors[[artifact.item_ids.index(item) for item in items]]
    return gru(vectors, np.ones(len(items), dtype=np.float32), artifact.encoder_arrays, artifact.encoder_params)


class TestBatches:
    @pytest.mark.parametrize("batch_size", [1, 2, 3, 50])
    def test_every_event_but_the_last_is_once_the_input_of_the_next(self, batch_size: int) -> None:
        sessions = sequences(4, 2, 2, 7, 3)
        pairs = [
            pair
            for step in session_parallel(sessions, batch_size)
            for pair in zip(step.inputs, step.targets, strict=True)
        ]
        lasts = sessions.offsets[1:] - 1
        assert sorted(pairs) == [(item, item + 1) for item in range(18) if item not in lasts]

    def test_a_row_is_told_when_another_session_begins_in_it(self) -> None:
        steps = list(session_parallel(sequences(3, 2, 2, 2), 2))
        assert [step.inputs.tolist() for step in steps] == [[0, 3], [1, 5], [7]]
        assert [step.begins.tolist() for step in steps] == [[True, True], [False, True], [True]]
        assert [step.rows.tolist() for step in steps] == [[0, 1], [0, 1], [0]]


class TestLosses:
    scores = torch.tensor([[2.0, 0.0, 1.0], [0.5, 1.0, -1.0]])
    same = torch.tensor([[True, False, False], [False, True, False]])

    def test_bpr_max_weighs_negatives_by_their_softmax(self) -> None:
        def row(target: float, negatives: list[float]) -> float:
            weights = np.exp(negatives) / np.exp(negatives).sum()
            ranked = (weights / (1 + np.exp(np.array(negatives) - target))).sum()
            return float(-np.log(ranked) + 0.5 * (weights * np.square(negatives)).sum())

        expected = (row(2.0, [0.0, 1.0]) + row(1.0, [0.5, -1.0])) / 2
        assert bpr_max(self.scores, self.same, 0.5).item() == pytest.approx(expected, rel=1e-5)

    def test_cross_entropy_takes_off_how_likely_each_was_drawn(self) -> None:
        log_q = torch.tensor([-1.0, -2.0, -3.0])
        corrected = (self.scores - log_q).numpy()
        expected = np.mean([np.log(np.exp(corrected[row]).sum()) - corrected[row, row] for row in (0, 1)])
        assert cross_entropy(self.scores, self.same, log_q).item() == pytest.approx(expected, rel=1e-5)

    def test_a_target_drawn_again_is_no_negative(self) -> None:
        again = torch.tensor([[True, False, True], [False, True, False]])
        raised = self.scores.clone()
        raised[0, 2] = 9.0
        for first, second in (
            (bpr_max(scores, again, 0.5) for scores in (self.scores, raised)),
            (cross_entropy(scores, again, torch.zeros(3)) for scores in (self.scores, raised)),
        ):
            assert first.item() == pytest.approx(second.item(), rel=1e-6)

    def test_a_row_without_negatives_has_a_finite_loss(self) -> None:
        scores = torch.tensor([[1.0]], requires_grad=True)
        for loss in (
            bpr_max(scores, torch.tensor([[True]]), 1.0),
            cross_entropy(scores, torch.tensor([[True]]), torch.zeros(1)),
        ):
            assert torch.isfinite(loss)


class TestAdagrad:
    def test_rows_are_updated_as_the_whole_would_be(self) -> None:
        generator = torch.Generator().manual_seed(1)
        whole = torch.randn(5, 3, generator=generator)
        by_rows, rows = whole.clone(), torch.tensor([4, 0])
        dense, sparse = Adagrad(whole, 0.1, 0.5), Adagrad(by_rows, 0.1, 0.5)
        for _ in range(3):
            gradient = torch.randn(2, 3, generator=generator)
            full = torch.zeros(5, 3)
            full[rows] = gradient
            dense.step(full)
            sparse.step_rows(rows, gradient)
        torch.testing.assert_close(by_rows, whole)

    def test_the_first_steps_by_hand(self) -> None:
        parameter = torch.tensor([0.0])
        optimizer = Adagrad(parameter, learning_rate=0.1, momentum=0.5)
        optimizer.step(torch.tensor([3.0]))
        assert parameter.item() == pytest.approx(-0.1)
        optimizer.step(torch.tensor([4.0]))
        assert parameter.item() == pytest.approx(-0.1 - 0.05 - 0.1 * 4 / 5)


class TestFit:
    @pytest.mark.parametrize("loss", ["bpr-max", "cross-entropy"])
    def test_what_always_follows_comes_first(self, loss: str) -> None:
        artifact = fit(chains(60), loss=loss)
        for start in range(9):
            scores = artifact.item_vectors @ query(artifact, f"i{start}", f"i{(start + 1) % 9}")
            assert artifact.item_ids[int(scores.argmax())] == f"i{(start + 2) % 9}"

    def test_fewer_sessions_than_a_batch_are_learned(self) -> None:
        artifact = fit(chains(2), batch_size=100)
        assert artifact.item_vectors.shape == (4, 9)

    def test_no_session_of_two_items_is_refused_with_the_count(self) -> None:
        with pytest.raises(RefusedError, match="5 sequences, 0 of two items or more") as refusal:
            fit(interactions(Event("a", f"i{day}", day) for day in range(5)))
        assert refusal.value.details == {"sequences": 5}

    def test_a_person_is_learned_as_one_sequence_where_told_so(self) -> None:
        data = interactions(Event("a", f"i{day}", day) for day in range(5))
        assert len(fit(data, sequence_of="person").item_ids) == 5

    def test_divergence_has_a_name_and_says_where(self) -> None:
        with pytest.raises(Diverged, match="lower learning_rate") as diverged:
            fit(chains(40), learning_rate=1e30, loss="bpr-max")
        assert diverged.value.code == "diverged"
        assert diverged.value.details["learning_rate"] == 1e30

    def test_torch_is_left_as_it_was(self) -> None:
        before, threads = torch.random.get_rng_state(), torch.get_num_threads()
        fit(chains(3))
        assert torch.equal(torch.random.get_rng_state(), before)
        assert torch.get_num_threads() == threads

    def test_torch_is_not_imported_before_a_fit(self) -> None:
        program = "import sys, common.models.registry; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


class TestServing:
    def test_numpy_steps_as_torch_does(self) -> None:
        artifact = fit(chains(40))
        cell = torch.nn.GRU(8, 8)
        own = artifact.encoder_arrays
        names = {
            "weight_ih_l0": "weight_input",
            "weight_hh_l0": "weight_hidden",
            "bias_ih_l0": "bias_input",
            "bias_hh_l0": "bias_hidden",
        }
        cell.load_state_dict({name: torch.tensor(own[ours]) for name, ours in names.items()})
        items = ["i3", "i1", "i4", "i1", "i5"]
        inputs = artifact.item_vectors[[artifact.item_ids.index(item) for item in items], :-1]
        with torch.no_grad():
            state = cell(torch.tensor(inputs))[0][-1].numpy()
        np.testing.assert_allclose(query(artifact, *items), [*state, 1.0], rtol=1e-4, atol=1e-5)

    def test_a_stored_person_equals_the_encoder_over_the_last_items(self) -> None:
        events = [Event("a", f"i{item}", day) for day, item in enumerate([5, 1, 2, 5, 3])]
        data = interactions([*(Event("b", f"i{item}", 9) for item in range(6)), *events])
        artifact = fit(data, history_length=3, sequence_of="person")
        assert artifact.encoder_params == {"history_length": 3.0}
        np.testing.assert_allclose(
            artifact.user_vectors[0], query(artifact, "i1", "i2", "i5", "i3"), rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(artifact.user_vectors[0], query(artifact, "i2", "i5", "i3"), rtol=1e-4, atol=1e-5)

    def test_no_items_say_nothing(self) -> None:
        assert not query(fit(chains(3))).any()
