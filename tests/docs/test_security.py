"""The table of attacks names tests that are there, and at least one for each who attacks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
ATTACKERS = {
    "anonymous client",
    "shop admin's file",
    "a store that fails or lies",
    "a neighbour on the host",
    "someone with the reader's keys",
    "a dependency",
    "an operator's mistake",
}


def attacks() -> list[list[str]]:
    """The cells of each row: who, with what, what stops it, and the test."""
    section = PAGE.split("## Who attacks, and what stops it\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip("| ") for cell in row] for row in rows[2:]]


def functions_of(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_test_that_the_table_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert [f"{path}::{name}" for path, name in named if name not in functions_of(ROOT / path)] == []


def test_no_row_is_without_a_test_and_nobody_is_left_out() -> None:
    rows = attacks()
    assert [row for row in rows if not re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`", row[-1])] == []
    assert {row[0] for row in rows if len(row) == 4} == ATTACKERS
