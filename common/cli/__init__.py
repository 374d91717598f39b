"""`recsys`: the operator's command. Use cases are imported when a command runs, so that `--help` is quick."""

from __future__ import annotations


def main() -> None:
    from common.cli.app import app

    app()
