"""The operator's command `recsys`. Use cases are imported when a command runs, so that `--help` is quick."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    if not find_spec("typer"):
        sys.exit("recsys: the operator's command comes with an extra: pip install 'recsys-lite[cli]'")
    from common.cli.app import app

    app()
