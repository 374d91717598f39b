"""Completes the list of an image's packages with licences as SPDX expressions and with the hashes of their files.

    /opt/recsys/bin/python -m infra.supply.image_sbom sbom.cdx.json files.json requirements/torch.sha256

Runs in the image's own environment, whose packages it asks, and needs nothing but Python. `files.json` is what
infra/locked.py has written; torch's file is known from requirements/torch.sha256 by the tag of its wheel.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from infra.supply.licences import licence_of, normalized


def main(sbom: Path, files: Path, torch_files: Path) -> None:
    hashes = {normalized(name): digest for name, digest in json.loads(files.read_text()).items()}
    document = json.loads(sbom.read_text())
    listed = {normalized(one["name"]) for one in document["components"]}
    if "torch" in listed:
        hashes["torch"] = torch_hash(torch_files.read_text())
    complete(document, hashes)
    sbom.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def complete(document: dict[str, Any], hashes: Mapping[str, str]) -> None:
    """The project's own package has no file that was taken from anywhere."""
    for component in document["components"]:
        component["licenses"] = [{"expression": licence_of(component["name"])}]
        if digest := hashes.get(normalized(component["name"])):
            component["hashes"] = [{"alg": "SHA-256", "content": digest}]


def torch_hash(lines: str) -> str:
    """Raises `LookupError` if the installed build is none of those that are listed."""
    said = distribution("torch")
    tags = re.findall(r"^Tag: (\S+)$", said.read_text("WHEEL") or "", flags=re.M)
    for line in lines.splitlines():
        digest, _, name = line.partition("  ")
        if name in {f"torch-{said.version}-{tag}.whl" for tag in tags}:
            return digest
    raise LookupError(f"torch {said.version} for {', '.join(tags)} is not in the list of its builds")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
