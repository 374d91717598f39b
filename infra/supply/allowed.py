"""Which licences others' packages may come under."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from infra.supply.licences import table
from infra.supply.packages import Package

_TOKEN: Final = re.compile(r"[()]|[^\s()]+(?: WITH [^\s()]+)?")


class RefusedLicence(Exception):
    """The message names package and licence."""


def check(package: Package) -> None:
    """Raises `RefusedLicence` unless its licence is allowed: of an OR one side is enough, of an AND all must be."""
    rules = table()
    allowed = {*rules["allowed"], *rules["by_package"].get(package.name, ())}
    if not holds(package.licence, allowed):
        raise RefusedLicence(f"{package.name} {package.version} is under {package.licence}, which is not allowed")


def holds(expression: str, allowed: Set[str]) -> bool:
    """Raises `RefusedLicence` where it is no SPDX expression."""
    try:
        canonical = canonicalize_license_expression(expression)
    except InvalidLicenseExpression as error:
        raise RefusedLicence(f"{expression!r} is no SPDX expression: {error}") from None
    return _either(_TOKEN.findall(canonical), allowed)


def _either(tokens: list[str], allowed: Set[str]) -> bool:
    """Takes an expression from the front of `tokens`: AND binds closer than OR."""
    found = _both(tokens, allowed)
    while tokens[:1] == ["OR"]:
        del tokens[0]
        found = _both(tokens, allowed) or found
    return found


def _both(tokens: list[str], allowed: Set[str]) -> bool:
    found = _one(tokens, allowed)
    while tokens[:1] == ["AND"]:
        del tokens[0]
        found = _one(tokens, allowed) and found
    return found


def _one(tokens: list[str], allowed: Set[str]) -> bool:
    token = tokens.pop(0)
    if token != "(":
        return token in allowed
    found = _either(tokens, allowed)
    del tokens[0]  # the closing one
    return found
