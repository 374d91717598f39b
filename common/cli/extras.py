"""The extras of the package that commands need, for those who have installed fewer of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from common.errors import SettingError

EXTRA_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(("duckdb", "faiss", "jwt", "rich", "threadpoolctl", "yaml"), "cli"),
    **dict.fromkeys(("gensim", "implicit", "jinja2", "lightfm", "optuna", "psycopg", "scipy", "sqlalchemy"), "train"),
}
"""The extra that brings a module to somebody who works with `recsys`."""


def lacking_extra(error: ModuleNotFoundError) -> SettingError | None:
    """What to install, where a module is missing that an extra brings; None for any other module, which is a fault of
    the program."""
    module = (error.name or "").partition(".")[0]
    extra = EXTRA_OF.get(module)
    if extra is None:
        return None
    remedy = f"pip install 'recsys-lite[{extra}]'"
    return SettingError(f"this command needs {module}, which is not installed; it comes with an extra: {remedy}")
