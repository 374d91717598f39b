"""`recsys report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from common.cli.session import AsJson, session


def report(
    version: Annotated[str | None, typer.Option(help="The version of a model. Default: the newest report.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write. Default: ./report-<version>.html.", dir_okay=False)
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch the report of the newest training, or of --version, as one HTML file; --open shows it."""
    with session(as_json) as current:
        from common.usecases.shared.report_files import fetch_page

        page = fetch_page(current.context(), version)
        path = (out or Path(f"report-{page.version}.html")).resolve()
        _write(path, page.html)
        if open_it:
            typer.launch(path.as_uri())
        current.answer(
            {"version": page.version, "path": str(path)},
            lambda console: console.print(f"report of {page.version}: {path}", soft_wrap=True),
        )


def _write(path: Path, html: bytes) -> None:
    from common.errors import BadRequest

    try:
        path.write_bytes(html)
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error.strerror}") from None
