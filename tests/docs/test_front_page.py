"""README.md, the project's first page: its pictures, and the steps that lead to a shop's first carousel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.demo.screenshots import MAX_BYTES, PICTURES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
BEGINNING, STEPS = re.split(r"(?m)^## ", TEXT)[:2]


@pytest.mark.parametrize("name", ["storefront.png", "report.png"])
def test_a_picture_is_there_small_and_on_the_first_screen(name: str) -> None:
    picture = PICTURES / name
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size <= MAX_BYTES
    assert f"({picture.relative_to(ROOT)})" in BEGINNING


def test_the_first_screen_is_short() -> None:
    assert {"make demo", "make test"} <= set(re.findall(r"(?m)^make \w+", BEGINNING))
    assert len(BEGINNING.splitlines()) <= 25


def test_every_command_of_the_first_steps_is_one_of_the_installation() -> None:
    installation = commands((ROOT / "docs" / "install.md").read_text())
    found = commands(STEPS)
    assert len(found) == 6
    assert [command for command in found if command not in installation] == []


def commands(text: str) -> list[str]:
    blocks = re.findall(r"(?ms)^ *```sh\n(.*?)^ *```", text)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines]


def test_the_tag_of_the_first_steps_is_the_carousels_own() -> None:
    tag = re.search(r"(?ms)^ *```html\n(.*?)^ *```", STEPS)
    assert tag is not None
    lines = [line.strip() for line in tag[1].splitlines()]
    snippet = (ROOT / "widget" / "README.md").read_text().replace("reco.example.eu", "recommend.shop.example.eu")
    assert "\n".join(lines) in snippet
    assert "SITE=recommend.shop.example.eu" in (ROOT / "infra" / "example.env").read_text()
