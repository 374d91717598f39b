"""Writes what the documentation takes from the code: `docs/settings.md`, and tables between markers in other pages.

python docs/generate.py           writes
python docs/generate.py --check   exit status 1 if something would change
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT))

from common.config import PREFIX, Settings  # noqa: E402 (the repository's root comes first)
from common.edges.bucket_events import Dialect  # noqa: E402
from common.edges.http_fields import PersonFields, SessionFields  # noqa: E402
from common.edges.http_openapi import openapi_document  # noqa: E402
from common.models.registry import FAMILIES  # noqa: E402
from common.serving.kinds import DECLARATIONS, Need  # noqa: E402
from common.store.uploads.columns import EVENTS, ITEMS, Contract  # noqa: E402
from common.store.uploads.reasons import REASONS  # noqa: E402
from docs import words  # noqa: E402
from infra.local.manifest import read_manifest  # noqa: E402
from infra.local.ports import DEFAULT_PORTS  # noqa: E402
from infra.sizing.needs import needs  # noqa: E402
from infra.sizing.table import cells  # noqa: E402
from infra.supply.packages import Package, npm_packages, python_packages  # noqa: E402
from tests.eval.configs import read_configs  # noqa: E402
from tests.eval.published import METRICS, REFERENCES  # noqa: E402

SETTINGS_HEAD = """\
# Settings

Every setting is an environment variable. If one is missing or wrong, nothing starts, and the message names it. An empty
value counts as not set. An unknown variable that starts with `RECSYS_` is refused, because it may be a typing error.

This page is written by `python docs/generate.py` from `common/config.py`.
"""


def table(header: Iterable[str], rows: Iterable[Iterable[str | None]]) -> str:
    lines = [list(header), *([cell or "" for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def settings_page() -> str:
    rows = [
        (f"`{PREFIX}{name.upper()}`", _default(field), field.description)
        for name, field in Settings.model_fields.items()
    ]
    return f"{SETTINGS_HEAD}\n{table(('variable', 'default', 'what it is'), rows)}\n"


def _default(field: Any) -> str:
    if field.default is PydanticUndefined:
        return "**required**"
    value = field.default.value if isinstance(field.default, Enum) else field.default
    return "" if value in (None, "", ()) else f"`{value}`"


def required_settings() -> str:
    rows = [
        (f"`{PREFIX}{name.upper()}`", str(field.description))
        for name, field in Settings.model_fields.items()
        if field.is_required()
    ]
    return table(("variable", "what it is"), rows)


def functions() -> str:
    manifest = read_manifest()
    rows = [
        (
            f"`{function.name}`",
            ", ".join(f"`{prefix}`" for prefix in function.event_prefixes) or "–",
            "many" if function.concurrency != 1 else "1",
            f"{function.timeout_s} s",
            str(DEFAULT_PORTS[function.name]),
        )
        for function in manifest.functions
    ]
    header = ("function", "objects that call it", "requests at a time", "timeout", "port on one machine")
    return table(header, rows)


def jobs() -> str:
    rows = [
        (f"`{job.name}`", f"`{job.schedule}` ({job.time_zone})", f"`{' '.join(job.container.command)}`")
        for job in read_manifest().jobs
    ]
    return table(("job", "when", "what it runs"), rows)


def ports() -> str:
    return table(("part", "port"), ((f"`{name}`", str(port)) for name, port in DEFAULT_PORTS.items()))


def handlers() -> str:
    """One command line a function, as `template.yaml` starts it."""
    lines = []
    for function in read_manifest().functions:
        env = function.container.env
        lines.append(f"functions-framework --source {env['FUNCTION_SOURCE']} --target {env['FUNCTION_TARGET']}")
    return "\n".join(("```sh", "source .local/operator.env", *lines, "```"))


def endpoints() -> str:
    rows = [
        (f"`{method.upper()} {path}`", operation["summary"])
        for path, operations in openapi_document()["paths"].items()
        for method, operation in operations.items()
    ]
    return table(("request", "answer"), rows)


def request_fields() -> str:
    rows = [
        (f"`{name}`", "query, body" if name in PersonFields.model_fields else "body", field.description)
        for name, field in SessionFields.model_fields.items()
    ]
    return table(("field", "in", "meaning"), rows)


def kinds() -> str:
    rows = []
    for kind, declared in DECLARATIONS.items():
        bought = words.PURCHASED[declared.purchased] + (", or the shop's setting" if declared.shop_decides else "")
        needs = "" if declared.needs is Need.NOTHING else declared.needs.value.replace("item_id", "`item_id`")
        new = words.NEW_ITEMS[declared.new_items]
        rows.append((f"`{kind}`", words.KINDS[kind], needs, bought, "yes" if declared.is_filled else "no", new))
    header = (
        "kind",
        "what it shows",
        "is about",
        "what the person has bought",
        "filled with what is popular",
        "new items",
    )
    return table(header, rows)


def columns(contract: Contract, meanings: dict[str, str]) -> str:
    if set(meanings) != set(contract.names):
        raise ValueError(f"docs/words.py describes {sorted(meanings)}, the contract has {sorted(contract.names)}")
    rows = [(f"`{name}`", "required" if name in contract.required else "", meanings[name]) for name in contract.names]
    return table(("column", "", "meaning"), rows)


def models() -> str:
    """What each family declares of itself, in the order in which training tries them."""
    rows = []
    for family, model in FAMILIES.items():
        can = model.capabilities
        answers = [("yes" if able else "no") for able in (can.sessions, can.new_items, can.incremental)]
        cost = "–" if can.fit_s is None else f"{can.fit_s:.0f} s" if can.fit_s >= 1 else "under 1 s"
        rows.append((f"`{family}`", "; ".join(can.learns_from), *answers, cost))
    return table(("family", "learns from", "visits", "new products", "new purchases", "cost"), rows)


def reasons() -> str:
    rows = ((f"`{reason.code}`", reason.problem, reason.remedy) for reason in REASONS.values())
    return table(("reason", "what is wrong", "what to do"), rows)


def dialects() -> str:
    return "\n".join(f"- {words.DIALECTS[dialect]}" for dialect in Dialect)


def commands() -> str:
    from common.cli.app import app

    rows = []
    for info in app.registered_commands:
        assert info.callback is not None
        name = info.callback.__name__.replace("_", "-")
        rows.append((f"`recsys {name}`", (info.callback.__doc__ or "").strip().splitlines()[0]))
    return table(("command", "what it does"), rows)


def licences(packages: Iterable[Package]) -> str:
    rows = [(one.name, one.version, one.licence, ", ".join(f"`{place}`" for place in one.used_in)) for one in packages]
    return table(("package", "version", "licence", "used in"), rows)


def sized() -> Any:
    """The run of `make sizing` that the page tells of."""
    return json.loads((DOCS / "sizing.json").read_text())


def sizing_run() -> str:
    run = sized()
    machine = f"{run['machine']['cores']} cores and {run['machine']['memory_gb']} GB of memory"
    return f"Taken on {run['taken']}, on a machine with {machine}. Training was `{run['train']}`."


def by_size(columns: list[dict[str, str]]) -> str:
    """A column a size; each of `columns` says the same things of one."""
    sizes = [row["size"]["name"] for row in sized()["rows"]]
    return table(("", *sizes), ((name, *(column[name] for column in columns)) for name in columns[0]))


def sizing_limits() -> str:
    rows = [(row["size"]["name"], [*row["beyond"], *filter(None, [row["problem"]])]) for row in sized()["rows"]]
    return "\n".join(f"- {name}: {'; '.join(found) or 'everything within the limits'}." for name, found in rows)


def accuracy() -> str:
    """What the kept configurations reached, beside what has been published."""
    rows = []
    for config in read_configs():
        reference = REFERENCES[config.data, config.model]
        names = METRICS[config.data]
        published = [f"{_pair(found)} ({whose})" if found else "" for found, whose in reference.targets]
        measured = _pair(tuple(config.measured[name] for name in names))
        rows.append((f"`{config.model}`", f"`{config.data}`", " / ".join(names), measured, *published))
    return table(("model", "data", "figures", "measured", "to reach", "to aim at"), rows)


def _pair(figures: tuple[float, ...]) -> str:
    return " / ".join(f"{figure:.4f}" for figure in figures)


SECTIONS: dict[str, Callable[[], str]] = {
    "functions": functions,
    "accuracy": accuracy,
    "ports": ports,
    "handlers": handlers,
    "jobs": jobs,
    "required settings": required_settings,
    "commands": commands,
    "models": models,
    "dialects": dialects,
    "endpoints": endpoints,
    "request fields": request_fields,
    "kinds": kinds,
    "event columns": lambda: columns(EVENTS, words.EVENT_COLUMNS),
    "item columns": lambda: columns(ITEMS, words.ITEM_COLUMNS),
    "reasons": reasons,
    "sizing run": sizing_run,
    "sizing needs": lambda: by_size([needs(row) for row in sized()["rows"]]),
    "sizing": lambda: by_size([cells(row) for row in sized()["rows"]]),
    "sizing limits": sizing_limits,
    "python licences": lambda: licences(python_packages()),
    "carousel licences": lambda: licences(npm_packages()),
}


def with_sections(text: str) -> str:
    """`text` with what stands between `<!-- begin: name -->` and `<!-- end -->` made anew."""

    def made(match: re.Match[str]) -> str:
        return f"<!-- begin: {match[1]} -->\n{SECTIONS[match[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- begin: ([a-z ]+) -->\n.*?<!-- end -->", made, text, flags=re.DOTALL)


def pages() -> dict[Path, str]:
    made = {page: with_sections(page.read_text()) for page in (ROOT / "README.md", *DOCS.glob("*.md"))}
    openapi = json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"
    return {**made, DOCS / "settings.md": settings_page(), DOCS / "openapi.json": openapi}


def main(arguments: list[str]) -> int:
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run python docs/generate.py")
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages()[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
