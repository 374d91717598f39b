"""The selected model as it was before a window, for what is judged beside it."""

from __future__ import annotations

from common.evaluation.split import Fold
from common.models.artifact import Artifact
from common.models.base import Model, ModelConfig
from common.usecases.train.final_fit import kept_before_test
from common.usecases.train.model_selection import ModelSelection
from common.usecases.train.workbench import Bench


class SelectedModel:
    """The selected model, and what it has learned from the data before a window.

    Fits are the bench's, whose worker ends them at their deadline: a library that hangs or crashes must not cost the
    night its model.
    """

    def __init__(self, bench: Bench, model: Model[ModelConfig]) -> None:
        self.model = model
        self._bench = bench
        self._learned: dict[int, Artifact] = {}

    @classmethod
    def of(cls, bench: Bench, selection: ModelSelection) -> SelectedModel:
        """With what the comparison has kept, if it has."""
        selected = cls(bench, selection.models[0])
        kept = kept_before_test(bench, selection)
        if kept and selection.kept_until_s:
            selected._learned[selection.kept_until_s] = kept
        return selected

    def before(self, fold: Fold, deadline: float) -> Artifact:
        """What it has learned from the data before the fold's window; it is fitted once for each. Raises as `Bench.fit`
        does."""
        if fold.cut_s not in self._learned:
            self._learned[fold.cut_s] = self._bench.fit(self.model, _untold, deadline, fold.cut_s)
        return self._learned[fold.cut_s]


def _untold(_step: int, _steps: int) -> None:
    """The run tells of the step as a whole."""
