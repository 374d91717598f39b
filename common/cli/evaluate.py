"""`recsys eval`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from common.cli.session import AsJson, session

if TYPE_CHECKING:
    from rich.console import Console

    from common.usecases.shared.figure_tables import FigureTable, Span


def eval(
    version: Annotated[str | None, typer.Option(help="The version of a model. Default: the newest training.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how well each kind of list did in the weeks held back, from the newest training or --version."""
    with session(as_json) as current:
        from common.usecases.shared.figure_tables import not_judged, tables_of
        from common.usecases.shared.report_files import fetch_figures

        found = fetch_figures(current.context(), version)
        tables = tables_of(found.figures)
        lacking = not_judged(tables)
        document = {
            "version": found.version,
            "family": found.figures.get("family"),
            "refusal": found.figures.get("refusal"),
            "tables": [table.as_dict() for table in tables],
            "not_judged": lacking,
        }
        current.answer(document, lambda console: _show(console, document, tables))


def _show(console: Console, document: dict[str, Any], tables: list[FigureTable]) -> None:
    from rich.table import Table

    outcome = f"refused: {document['refusal']}" if document["refusal"] else f"published {document['family']}"
    console.print(f"training {document['version']}, {outcome}; NDCG@10 on the weeks held back, with 95 % intervals")
    if not tables:
        console.print("nothing was judged")
    for found in tables:
        console.print(f"\n{found.title}: {found.asked}")
        shown = Table("", "NDCG@10", "first better by", box=None, pad_edge=False)
        for line in found.lines:
            shown.add_row(line.name, _spread(line.ndcg, ".4f"), "" if line.lead is None else _spread(line.lead, "+.4f"))
        console.print(shown)
    if document["not_judged"]:
        console.print(f"without a table: {', '.join(document['not_judged'])}")


def _spread(span: Span, form: str) -> str:
    return f"{span.mean:{form}} ({span.low:{form}} to {span.high:{form}})"
