"""The model families by name. A new family is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from common.errors import BadRequest
from common.models.als import ALS
from common.models.base import Model, ModelConfig
from common.models.bpr import BPR
from common.models.cooccurrence import Cooccurrence
from common.models.gru4rec import GRU4Rec
from common.models.item2vec import Item2Vec
from common.models.lightfm import LightFM
from common.models.popular import Popular

FAMILIES: Final[dict[str, type[Model[ModelConfig]]]] = {
    model.family: model for model in (ALS, BPR, Item2Vec, LightFM, GRU4Rec, Cooccurrence, Popular)
}
"""The families, in the order in which training tries them."""


def families_for_people() -> list[str]:
    """The families that can answer a known person alone; the others are served beside one of them."""
    return [family for family, model in FAMILIES.items() if model.capabilities.people]


def make(family: str, params: Mapping[str, Any] | None = None) -> Model[ModelConfig]:
    """A model of `family` with its default config, or with the values of `params` in it.

    Raises `BadRequest` for an unknown family or parameter.
    """
    if family not in FAMILIES:
        raise BadRequest(f"model family {family!r} is not known; there are {', '.join(FAMILIES)}")
    try:
        return FAMILIES[family].from_params(params or {})
    except ValidationError as error:
        raise BadRequest(f"parameters of {family}: {error}") from error
