"""Currencies that stand beside a price: 15.00 EUR, EUR 7.25, 1.299,00 €, 24.90EUR."""

from __future__ import annotations

from typing import Final

from common.store.engine import literal

_CODES: Final = (
    "EUR", "USD", "GBP", "CHF", "PLN", "CZK", "SEK", "DKK", "NOK", "HUF", "RON", "BGN", "ISK", "TRY", "UAH", "RSD",
    "MKD", "BAM", "ALL", "MDL", "GEL", "AUD", "CAD", "NZD", "JPY", "CNY",
)  # fmt: skip
_SYMBOLS: Final = {
    "€": "EUR", "£": "GBP", "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "lei": "RON", "лв": "BGN", "лв.": "BGN",
    "US$": "USD", "Fr.": "CHF", "SFr.": "CHF", "₺": "TRY", "₴": "UAH",
}  # fmt: skip
# Signs of several currencies: the number beside them is read, and no currency is taken from them.
_UNCLEAR: Final = ("$", "kr.", "kr", "¥")

_QUOTED: Final = "|".join(sign.replace("$", r"\$").replace(".", r"\.") for sign in (*_SYMBOLS, *_UNCLEAR))
_ANY: Final = f"(?i:{'|'.join(_CODES)})|(?i:{_QUOTED})"
_GAP: Final = "[ \u00a0\u202f]*"
_BESIDE: Final = f"^({_ANY}){_GAP}|{_GAP}({_ANY})$"
# 12,- and 12.– are prices without cents.
_NO_CENTS: Final = "[.,][-–—]+$"
_TO_LOOK_AT: Final = "[^0-9]$|^[^0-9.,+-]"


def without_currency(text: str) -> str:
    """SQL of a number's text without a currency before or behind it. `text` has no spaces around it."""
    bare = f"regexp_replace(regexp_replace({text}, {literal(_BESIDE)}, ''), {literal(_NO_CENTS)}, '')"
    return f"CASE WHEN regexp_matches({text}, {literal(_TO_LOOK_AT)}) THEN {bare} ELSE {text} END"


def currency_beside(text: str) -> str:
    """SQL of the code of the currency that stands beside a number; empty where there is none, or a sign of several."""
    found = f"trim(regexp_extract({text}, {literal(_BESIDE)}), ' \u00a0\u202f')"
    return f"CASE WHEN regexp_matches({text}, {literal(_TO_LOOK_AT)}) THEN {code_of(found)} ELSE '' END"


def code_of(word: str) -> str:
    """SQL of the code of a currency that is written as its code or as its sign; empty for a sign of several."""
    signs = " ".join(f"WHEN lower({word}) = {literal(sign.lower())} THEN '{code}'" for sign, code in _SYMBOLS.items())
    unclear = ", ".join(literal(sign) for sign in _UNCLEAR)
    return f"CASE {signs} WHEN lower({word}) IN ({unclear}) THEN '' ELSE upper({word}) END"
