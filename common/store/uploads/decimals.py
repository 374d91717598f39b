"""The reading of numbers in the forms that people write: 1234.5, 1234,50, 1.234,50, 1 234,50."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from common.store.engine import Connection, literal, number
from common.store.uploads.fields import FLOATING, NEVER, WHOLE, Field, given, matches, unreadable, wrong_type
from common.store.uploads.files import Column, Table
from common.store.uploads.places import place_of
from common.store.uploads.reasons import NUMBER_FORMS
from common.store.uploads.texts import trimmed

_PLAIN: Final = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_COMMA: Final = r"[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+),[0-9]+"
_GROUPED_BY_COMMA: Final = r"[+-]?[0-9]{1,3}((,[0-9]{3})+\.[0-9]+|(,[0-9]{3}){2,})"
_GROUPED_BY_DOT: Final = r"[+-]?[0-9]{1,3}(\.[0-9]{3}){2,}"
_THREE_AFTER_COMMA: Final = "[+-]?[1-9][0-9]{0,2},[0-9]{3}"
_THREE_AFTER_DOT: Final = r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}"
_SPACES: Final = "[ \u00a0\u202f'’]"
_GROUPED_BY_SPACE: Final = f"[+-]?[0-9]{{1,3}}({_SPACES}[0-9]{{3}})+([.,][0-9]+)?"


class MixedDecimals(Exception):
    """Of several uploads some have decimal commas, and others have none: the same text is another number in each.

    `places` are those of the uploads that have them."""

    def __init__(self, places: frozenset[int]) -> None:
        super().__init__(f"{len(places)} uploads have decimal commas")
        self.places = places


def decimal(column: str, raw: str, kind: str, comma_decimals: bool) -> Field:
    """Returns a number's field, as DOUBLE.

    `comma_decimals` says that the file has decimal commas such as 12,50, so that 1,234 is not 1234."""
    is_given, text = given(raw, kind), f"{raw}::VARCHAR"
    if kind in WHOLE or kind.startswith("DECIMAL"):
        return Field(column, f"{raw}::DOUBLE", is_given, text=text)
    if kind in FLOATING:
        return Field(column, f"CASE WHEN isfinite({raw}) THEN {raw}::DOUBLE END", is_given, text=text)
    if kind != "VARCHAR":
        raise wrong_type(column, kind, NUMBER_FORMS)
    written = _without_spaces(trimmed(raw))
    ambiguous = matches(written, _THREE_AFTER_DOT if comma_decimals else _THREE_AFTER_COMMA)
    number = f"try_cast({_with_dot(written)} AS DOUBLE)"
    value = f"CASE WHEN {ambiguous} THEN NULL WHEN isfinite({number}) THEN {number} END"
    return Field(column, value, is_given, ambiguous, text)


def has_comma_decimals(connection: Connection, table: Table, columns: Sequence[Column]) -> bool:
    """Whether one of the text columns holds a number that certainly has a decimal comma.

    Raises `MixedDecimals` for several uploads of which only some do."""
    texts = [_shows_comma_decimals(column.raw) for column in columns if column.kind == "VARCHAR"]
    if not texts:
        return False
    shown = f"coalesce(bool_or({' OR '.join(texts)}), false)"
    if not table.several:
        return bool(number(connection, f"SELECT {shown}::INT FROM {table.relation}"))
    found = connection.execute(f"SELECT {place_of(table.row)}, {shown} FROM {table.relation} GROUP BY 1").fetchall()
    places = frozenset(place for place, shows in found if shows)
    if 0 < len(places) < len(found):
        raise MixedDecimals(places)
    return bool(places)


def decimal_problems(field: Field) -> str:
    """SQL of the branches of a CASE over parsed rows that give a number's problem."""
    column = field.column
    ambiguous = "" if field.ambiguous == NEVER else f"WHEN {column}_ambiguous THEN '{column}_ambiguous' "
    return ambiguous + unreadable(field, f"{column}_not_a_number")


def _shows_comma_decimals(raw: str) -> str:
    written = _without_spaces(trimmed(raw))
    excluded = f"{matches(written, _THREE_AFTER_COMMA)} OR {matches(written, _GROUPED_BY_COMMA)}"
    return f"({matches(written, _COMMA)} AND NOT ({excluded}))"


def _without_spaces(text: str) -> str:
    grouped = matches(text, _GROUPED_BY_SPACE)
    return f"CASE WHEN {grouped} THEN regexp_replace({text}, {literal(_SPACES)}, '', 'g') ELSE {text} END"


def _with_dot(text: str) -> str:
    """SQL of a number's text with a decimal dot and without separators of thousands; NULL for other text."""
    return (
        f"CASE WHEN {matches(text, _PLAIN)} THEN {text} "
        f"WHEN {matches(text, _GROUPED_BY_COMMA)} THEN replace({text}, ',', '') "
        f"WHEN {matches(text, _COMMA)} THEN replace(replace({text}, '.', ''), ',', '.') "
        f"WHEN {matches(text, _GROUPED_BY_DOT)} THEN replace({text}, '.', '') END"
    )
