"""Texts in CSV files that a person may open: a spreadsheet would take one that begins with = + - or @ for a formula.

Such a text gets an apostrophe before it, which spreadsheets do not show. A text that begins with apostrophes and goes
on like a formula gets one more, so that `restored` gives back every text: reading an upload takes one apostrophe off.
Spaces before a sign change nothing, and some spreadsheets read its full-width form like the sign itself.
"""

from __future__ import annotations

import re
from typing import Final

from common.store.engine import literal

# Understood alike by Python's re and by RE2 in DuckDB.
_FORMULA: Final = "([ \t\r\n\v\f\u00a0\ufeff]*[=+@\uff1d\uff0b\uff0d\uff20-]|[ \u00a0]*[\t\r\n])"
_TO_MARK: Final = f"^'*{_FORMULA}"
_MARKED: Final = re.compile(f"'+{_FORMULA}")
_NUMBER: Final = "^[+-]?[0-9]+([.,][0-9]+)*$"
_MARK: Final = "'"


def neutralised(text: str) -> str:
    """Returns the text as a spreadsheet may read it."""
    return _MARK + text if re.match(_TO_MARK, text) else text


def restored(text: str) -> str:
    """Returns the text of which `text` is the neutralised form; a text without such a mark as it is."""
    return text[1:] if text.startswith(_MARK) and _MARKED.match(text) else text


def neutralised_sql(text: str, *, keep_numbers: bool) -> str:
    """SQL of the neutralised form of the SQL text `text`. With `keep_numbers` a number such as -5 stays as it is."""
    marked = f"regexp_matches({text}, {literal(_TO_MARK)})"
    if keep_numbers:
        marked += f" AND NOT regexp_matches({text}, {literal(_NUMBER)})"
    return f"CASE WHEN {marked} THEN {literal(_MARK)} || {text} ELSE {text} END"
