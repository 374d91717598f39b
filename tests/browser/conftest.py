"""The browser, and the carousel's script as it is built."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from infra.demo.browser import CHROMIUM, FLAGS
from infra.demo.storefront import WIDGET


@pytest.fixture(scope="session")
def script() -> Path:
    if not WIDGET.exists():
        subprocess.run(["make", "widget"], cwd=Path(__file__).parents[2], check=True)
    return WIDGET


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
