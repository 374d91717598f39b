from __future__ import annotations

import pytest

from common.errors import BadRequest
from common.models.registry import FAMILIES, make


@pytest.mark.parametrize(
    ("family", "params", "named"),
    [("svd", {}, "als, .*popular"), ("als", {"factor": 3}, "factor\n"), ("als", {"alpha": 0}, "alpha")],
)
def test_what_is_not_known_is_named(family: str, params: dict[str, object], named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        make(family, params)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_stands_under_its_own_name_and_its_defaults_are_valid(family: str) -> None:
    model = make(family)
    assert model.family == family
    assert model.config == model.Config()
