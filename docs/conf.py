"""The documentation's site: Sphinx builds it from the pages as they stand on GitHub, by `make docs`.

The pages lie where a reader of the repository looks for them, so the repository is the source directory, and the list
of the pages below is what of it belongs to the site. A page that no chapter names, and a link that leads nowhere, are
warnings, and warnings are errors.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pygments.lexers.templates import HtmlPhpLexer  # type: ignore[import-untyped]
from sphinx.application import Sphinx

CHAPTERS = {
    "Set it up": ("docs/install", "docs/uploads", "widget/README", "docs/sizing", "docs/stores", "docs/settings"),
    "Run it": (
        "docs/models",
        "docs/commands",
        "docs/runbook",
        "docs/security",
        "docs/licences",
        "docs/upgrades",
        "CHANGELOG",
    ),
    "Work on it": (
        "docs/develop",
        "docs/api",
        "docs/adapters",
        "docs/serving",
        "docs/measurements-models",
        "docs/measurements-store",
        "CONTRIBUTING",
        "SECURITY",
    ),
}
FIRST_PAGE = "README"
ROOT = Path(__file__).parents[1]

project = "RecSys-Lite"
html_title = project
extensions = ["myst_parser"]
root_doc = FIRST_PAGE
include_patterns = ["*.md", "docs/*.md", "widget/README.md"]
exclude_patterns = [".*", "build", "node_modules", "tests"]
myst_heading_anchors = 3
html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
html_use_index = False


def setup(app: Sphinx) -> None:
    app.add_lexer("phtml", HtmlPhpLexer)
    app.connect("source-read", _add_chapters)
    app.connect("build-finished", _name_the_first_page)


def _add_chapters(_app: Sphinx, page: str, source: list[str]) -> None:
    """The chapters go behind the first page's text, where GitHub's readers do not see them."""
    if page != FIRST_PAGE:
        return
    for caption, pages in CHAPTERS.items():
        there = "\n".join(name for name in pages if (ROOT / f"{name}.md").exists())
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{there}\n```\n"


def _name_the_first_page(app: Sphinx, error: Exception | None) -> None:
    """Servers of files, and whoever opens the directory, look for `index.html`."""
    if error is None and app.builder.name == "html":
        shutil.copy(Path(app.outdir, f"{FIRST_PAGE}.html"), Path(app.outdir, "index.html"))
