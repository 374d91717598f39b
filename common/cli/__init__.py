"""The operator's command `recsys`. Use cases are imported when a command runs, so that `--help` is quick."""

from __future__ import annotations


def main() -> None:
    from common.cli.app import app

    app()
