"""SQL of the plain form of ids and texts: the rules of `common.plain`, for the columns of an upload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from common.plain import NOTHING, SPACES, WHOLE_AS_FLOAT
from common.store.engine import literal

# Spaces, accents, dots and control characters: an id without them is plain as it is.
_TO_LOOK_AT: Final = "[^!-\\-/-~]"
_EDGES: Final = "^[^!-~]|[^!-~]$"
_NOTHING: Final = ", ".join(map(literal, NOTHING))

# A number of which the last digits are lost: 4.00638E+12, 4,00638E+12, 1e+16.
SCIENTIFIC: Final = "[+-]?[0-9]([.,][0-9]+[eE][+-]?|[eE][+-][0-9])[0-9]{1,3}"


def named(text: str, name: str, body: Callable[[str], str]) -> str:
    """SQL of `body` of `text`, which stands in it once, under a name. What is put in several times, again and again,
    becomes a query that takes longer to plan than a small upload to read. Takes longer for each row."""
    return f"list_transform([{text}], lambda {name}: {body(name)})[1]"


def trimmed(text: str) -> str:
    """SQL of a text without spaces around it. Most have none, and to look for them costs a tenth of cutting them."""
    return f"CASE WHEN regexp_matches({text}, {literal(_EDGES)}) THEN trim({text}, {literal(SPACES)}) ELSE {text} END"


def is_nothing(text: str) -> str:
    """SQL of whether a text only says that there is no value. `text` is trimmed."""
    return f"{text} IN ('', {_NOTHING})"


def plain_text_sql(text: str) -> str:
    """SQL of the plain form of a text; empty where there is no value, NULL for NULL."""
    cut = trimmed(text)
    return f"CASE WHEN {is_nothing(cut)} THEN '' WHEN {_is_ascii(cut)} THEN {cut} ELSE nfc_normalize({cut}) END"


def plain_id_sql(text: str) -> str:
    """SQL of the plain form of an id; empty where there is none, NULL for NULL."""
    whole = f"regexp_full_match({trimmed('it')}, {literal(WHOLE_AS_FLOAT)})"
    looked_at = f"CASE WHEN {whole} THEN split_part({trimmed('it')}, '.', 1) ELSE {plain_text_sql('it')} END"
    # DuckDB computes what occurs several times for every row, also within a CASE; not so within a lambda.
    slowly = f"list_transform([{text}], lambda it: {looked_at})[1]"
    needed = f"regexp_matches({text}, {literal(_TO_LOOK_AT)}) OR {is_nothing(text)}"
    return f"CASE WHEN {needed} THEN {slowly} ELSE {text} END"


def _is_ascii(text: str) -> str:
    return f"strlen({text}) = length({text})"


def text_of_bytes(raw: str) -> str:
    """SQL of the text that bytes hold, NULL for bytes that are no UTF-8."""
    return f"TRY(decode({raw}))"
