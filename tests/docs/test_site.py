"""The documentation's site: whole, without a link that leads nowhere, and without a request to anybody."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from infra.demo.browser import CHROMIUM, FLAGS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "widget" / "README.md"])
LOADING_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "manifest"}


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "--keep-going", "-c", "docs", str(source), str(out)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    result = build(ROOT, out)
    assert result.returncode == 0, result.stderr
    return out


class Resources(HTMLParser):
    """What a page makes the browser load."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.found += [given[name] for name in ("src", "data", "poster") if name in given]
        self.found += [part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()]
        self.found += in_styles(given.get("style", ""))
        if tag == "link" and set(given.get("rel", "").split()) & LOADING_LINKS:
            self.found.append(given["href"])


def in_styles(css: str) -> list[str]:
    addresses = re.findall(r"""url\(\s*["']?([^"')\s]+)|@import\s+["']([^"']+)""", css)
    return [address for pair in addresses for address in pair if address]


def is_own(address: str) -> bool:
    return address.startswith("data:") or not re.match(r"[a-z][a-z0-9+.-]*:|/", address, flags=re.IGNORECASE)


def test_every_page_is_in_the_site(site: Path) -> None:
    missing = [page for page in PAGES if not (site / page.relative_to(ROOT)).with_suffix(".html").exists()]
    assert missing == []
    assert (site / "index.html").read_bytes() == (site / "README.html").read_bytes()


def test_every_resource_is_the_sites_own(site: Path) -> None:
    pages, styles = list(site.rglob("*.html")), list(site.rglob("*.css"))
    loaded = {(page, address) for page in pages for address in Resources(page).found}
    loaded |= {(style, address) for style in styles for address in in_styles(style.read_text())}
    assert len(loaded) > len(pages)
    assert [address for _, address in loaded if not is_own(address)] == []
    files = {(file.parent / address.split("?")[0]) for file, address in loaded if not address.startswith("data:")}
    assert [file for file in files if not file.exists()] == []


def test_links_that_lead_nowhere_end_the_build(tmp_path: Path) -> None:
    lost = ("lost.md", "README.md#lost", "#lost")
    (tmp_path / "README.md").write_text("# First\n\n" + "\n".join(f"[there]({target})\n" for target in lost))
    result = build(tmp_path, tmp_path / "out")
    assert result.returncode != 0
    assert len(re.findall(r"README\.md:\d+: WARNING: .*lost", result.stderr)) == len(lost)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.browser
def test_the_search_works_from_a_directory_without_a_server(site: Path, browser: Browser) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.get_by_placeholder("Search").first.fill("pseudonym")
    page.keyboard.press("Enter")
    results = page.locator("ul.search li a")
    expect(results.filter(has_text="Security and privacy")).not_to_have_count(0)
    results.filter(has_text="Security and privacy").first.click()
    expect(page.locator("h1")).to_contain_text("Security and privacy")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    page.close()
