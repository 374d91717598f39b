"""Under which licence each package is, as an SPDX expression.

Needs nothing but Python, and asks the environment that runs it: an image's build runs it in the image's.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

TABLE: Final = Path(__file__).with_name("licences.toml")

UNMISTAKABLE: Final = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Classifiers that name one licence. "BSD License" is none of them."""

IDENTIFIERS: Final = frozenset(
    {
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "LGPL-2.1-only",
        "MIT",
        "MIT OR Apache-2.0",
        "MPL-2.0",
        "MPL-2.0 AND MIT",
    }
    | {"PSF-2.0"}
)
"""What packages write into the older field of their metadata that is an SPDX expression."""


class UnknownLicence(Exception):
    """The message names the package and where to write its licence down."""


def table() -> Mapping[str, Any]:
    return tomllib.loads(TABLE.read_text())


def licence_of(name: str) -> str:
    """Of an installed package. What was read in its licence file comes first, then what its metadata say.

    Raises `UnknownLicence`.
    """
    read: Mapping[str, str] = table()["read"]
    if said := read.get(normalized(name)):
        return said
    metadata = distribution(name).metadata
    for field in ("License-Expression", "License"):
        if (value := metadata[field]) and (field == "License-Expression" or value in IDENTIFIERS):
            return str(value)
    classifiers = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or [] if "License ::" in line]
    if len(classifiers) == 1 and classifiers[0] in UNMISTAKABLE:
        return UNMISTAKABLE[classifiers[0]]
    raise UnknownLicence(
        f"the licence of {name} is not clear from its metadata: read its file, and write it into {TABLE.name}"
    )


def normalized(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
