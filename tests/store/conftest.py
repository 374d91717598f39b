from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from common.usecases.shared.context import Context
from tests.memory import memory_context


@pytest.fixture
def shop_with(tmp_path: Path) -> Callable[..., Context]:
    """`shop_with(max_bad_rows=1)`: a shop in memory, with settings replaced by name."""
    return lambda **settings: memory_context(tmp_path, **settings)


@pytest.fixture
def shop(shop_with: Callable[..., Context]) -> Context:
    return shop_with()
