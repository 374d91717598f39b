"""What the Python package is built from: the files that git knows, and nothing that lies beside them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from infra.release.steps import ROOT, run

PARTS: Final = ("common", "pyproject.toml", "README.md", "LICENSE")
_PICTURE: Final = re.compile(r"""(!\[[^\]]*\]\(|<img [^>]*?src=["'])(?![a-z]+:)([^)"'\s]+)""")
_LINK: Final = re.compile(r"""(\]\(|<a [^>]*?href=["'])(?![a-z]+:|#)([^)"'\s]+)""")


def tracked(*parts: str, root: Path = ROOT) -> list[str]:
    """Paths of the files that git knows under `parts`."""
    return run(["git", "ls-files", "-z", "--", *parts], cwd=root).split("\0")[:-1]


def export(target: Path, *, version: str, repository: str | None, root: Path = ROOT) -> None:
    """Copies `PARTS` into the new directory `target`. With `repository`, the URL of the project's repository, links of
    the README lead there, because a package index shows it without the files around it, and the package names it."""
    for name in tracked(*PARTS, root=root):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target / name)
    if repository is None:
        return
    readme, project = target / "README.md", target / "pyproject.toml"
    readme.write_text(with_absolute_links(readme.read_text(), repository, f"v{version}"))
    project.write_text(f"{project.read_text()}\n{_urls(repository)}")


def with_absolute_links(text: str, repository: str, revision: str) -> str:
    """Pictures lead to the file itself, other links to the page about it."""
    text = _PICTURE.sub(rf"\g<1>{repository}/raw/{revision}/\g<2>", text)
    return _LINK.sub(rf"\g<1>{repository}/blob/{revision}/\g<2>", text)


def _urls(repository: str) -> str:
    pages = {"Source": "", "Issues": "/issues", "Changelog": "/blob/main/CHANGELOG.md"}
    return "\n".join(["[project.urls]", *(f'{name} = "{repository}{path}"' for name, path in pages.items()), ""])
