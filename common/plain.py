"""The plain form of ids and texts, which is the same whatever file, request or token they came in.

Spreadsheets, databases and data tools write one value in several ways: with spaces around it, with its accents as
marks of their own, as `17.0` where a column of whole numbers has gaps, and as `NULL` or `nan` where there is none.
The SQL of the same rules is in `common.store.uploads.texts`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

SPACES: Final = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200C))) + "\u2028\u2029\u202f\u205f"
    "\u3000\ufeff"
)
"""What is cut from both ends: spaces of all kinds, line ends, and byte order marks."""

NOTHING: Final = ("NULL", "null", r"\N", "nan", "NaN", "NAN", "None", "NaT", "<NA>")
"""What databases and data tools write where a value is missing."""

# The float form of a whole number. A text such as 007.0 or 1.50 is none.
WHOLE_AS_FLOAT: Final = r"(0|-?[1-9][0-9]*)\.0+"
_WHOLE_AS_FLOAT: Final = re.compile(WHOLE_AS_FLOAT)


def plain_text(text: str) -> str:
    """The text without spaces around it, its accents composed (NFC); empty where it only says that there is none."""
    plain = unicodedata.normalize("NFC", text.strip(SPACES))
    return "" if plain in NOTHING else plain


def plain_id(text: str) -> str:
    """The id as `plain_text`; a whole number has no decimals, so that 17.0 is 17."""
    plain = plain_text(text)
    return plain.partition(".")[0] if _WHOLE_AS_FLOAT.fullmatch(plain) else plain


def earlier_forms(text: str) -> tuple[str, ...]:
    """The forms under which an id may have been stored before `plain_id` was the rule, without the plain one."""
    plain = plain_id(text)
    forms = [text, text.strip(), unicodedata.normalize("NFD", plain)]
    if plain.isascii() and plain.isdigit():
        forms.append(f"{plain}.0")
    return tuple(dict.fromkeys(form for form in forms if form and form != plain))
