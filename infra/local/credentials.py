"""The values of the Secrets in template.yaml: random values, made once per stack and kept in a private file."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from infra.local.manifest import SecretRef

SECRET_BYTES = 32


class Credentials:
    """The secrets of one stack. They are the same at every start, so that the stack's data stays readable."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def ensure(self, refs: Iterable[SecretRef]) -> None:
        """Makes and saves a value for each of `refs` that has none."""
        missing = sorted(_label(ref) for ref in refs if _label(ref) not in self._values)
        if missing:
            self._values |= {label: secrets.token_hex(SECRET_BYTES) for label in missing}
            write_private(self._path, json.dumps(self._values, indent=1))

    def value(self, ref: SecretRef) -> str:
        return self._values[_label(ref)]


def write_private(path: Path, text: str) -> None:
    """Replaces the file as a whole, with mode 0600, so that no other user can read it at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    part.replace(path)


def _label(ref: SecretRef) -> str:
    return f"{ref.name}/{ref.key}"
