"""The reading of an upload's columns, as SQL. Accepted values depend on the type in the file; in CSV all is text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from common.errors import FileRejected
from common.schemas.data import EVENT_TYPES
from common.store.engine import literal
from common.store.uploads.reasons import BOOL_FORMS, MAX_ID_BYTES

WHOLE: Final = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
FLOATING: Final = {"FLOAT", "DOUBLE"}
_TRUE: Final = "('true', 't', 'yes', 'y', '1', '1.0')"
_FALSE: Final = "('false', 'f', 'no', 'n', '0', '0.0')"

NEVER: Final = "false"

# Number of characters of a refused value's shape that are shown.
_SHAPE_LENGTH: Final = 60


@dataclass(frozen=True)
class Field:
    """A column of the contract as SQL expressions over the upload's columns.

    `value` is the typed value, NULL if the row has none or it cannot be read. `given` says whether the row has a value,
    `ambiguous` whether it can be read in more than one way. `text` is the value as written in the file.
    """

    column: str
    value: str
    given: str
    ambiguous: str = NEVER
    text: str = "NULL"

    @property
    def is_absent(self) -> bool:
        return self.given == NEVER

    def select(self) -> str:
        """SQL of the field's columns in a relation of parsed rows: `x`, `x_given`, `x_ambiguous` and `x_text`."""
        return (
            f"{self.value} AS {self.column}, {self.given} AS {self.column}_given, "
            f"{self.ambiguous} AS {self.column}_ambiguous, {self.text} AS {self.column}_text"
        )


def absent(column: str, default: str) -> Field:
    """Returns the field of a column that the file does not have."""
    return Field(column, value=default, given=NEVER)


def identifier(column: str, raw: str, kind: str) -> Field:
    """Returns an id's field, as text. Whole numbers in a floating-point column are written without decimals."""
    if kind not in WHOLE | FLOATING | {"VARCHAR", "UUID"} and not kind.startswith("DECIMAL"):
        raise wrong_type(column, kind, "text or whole numbers")
    value = text = f"{raw}::VARCHAR"
    if kind in FLOATING or kind.startswith("DECIMAL"):
        value = f"CASE WHEN {raw} = floor({raw}) AND abs({raw}) < 1e15 THEN {raw}::BIGINT::VARCHAR END"
    return Field(column, value, given(raw, kind), text=text)


def boolean(column: str, raw: str, kind: str) -> Field:
    """Returns a truth value's field, as BOOLEAN."""
    is_given, text = given(raw, kind), f"{raw}::VARCHAR"
    if kind == "BOOLEAN":
        return Field(column, raw, is_given, text=text)
    if kind not in WHOLE | FLOATING | {"VARCHAR"}:
        raise wrong_type(column, kind, BOOL_FORMS)
    word = f"lower(trim({text}))"
    return Field(
        column, f"CASE WHEN {word} IN {_TRUE} THEN true WHEN {word} IN {_FALSE} THEN false END", is_given, text=text
    )


def event_type(column: str, raw: str, kind: str) -> Field:
    """Returns an event type's field, as its position in EVENT_TYPES. An empty value is a purchase."""
    if kind != "VARCHAR":
        raise wrong_type(column, kind, ", ".join(EVENT_TYPES))
    word = f"lower(trim({raw}))"
    branches = " ".join(f"WHEN {word} = {literal(name.value)} THEN {code}" for code, name in enumerate(EVENT_TYPES))
    is_given = given(raw, kind)
    return Field(column, f"(CASE WHEN NOT {is_given} THEN 0 {branches} END)::UTINYINT", is_given, text=raw)


def plain_text(column: str, raw: str) -> Field:
    """Returns a text's field, without spaces around it. A missing value is an empty text."""
    return Field(column, f"trim(coalesce({raw}::VARCHAR, ''))", f"{raw} IS NOT NULL", text=f"{raw}::VARCHAR")


def id_problem(column: str, value: str) -> str:
    """SQL of the problem code of an id that is not NULL. It is slow, and so meant for distinct ids."""
    return (
        f"CASE WHEN trim({value}) = '' THEN '{column}_empty' "
        f"WHEN strlen({value}) > {MAX_ID_BYTES} THEN '{column}_too_long' "
        f"WHEN regexp_matches({value}, '[\\p{{Cc}}\\x{{2028}}\\x{{2029}}]') THEN '{column}_control_characters' END"
    )


def unreadable(field: Field, code: str) -> str:
    """SQL of the branch for a value that is given and cannot be read."""
    return "" if field.is_absent else f"WHEN {field.column}_given AND {field.column} IS NULL THEN {literal(code)}"


def shape(text: str) -> str:
    """SQL of a value's shape: letters become a, digits 9. It shows a wrong format and reveals no name."""
    letters = f"regexp_replace(left({text}, {_SHAPE_LENGTH}), '\\p{{L}}', 'a', 'g')"
    return f"regexp_replace(regexp_replace({letters}, '\\p{{N}}', '9', 'g'), '[^a9[:punct:] ]', '?', 'g')"


def given(raw: str, kind: str) -> str:
    """SQL of whether a row has a value in this column."""
    if kind == "VARCHAR":
        # Only the few values that begin with a space need to be trimmed.
        return f"coalesce({raw} >= '!' OR trim({raw}) <> '', false)"
    if kind in FLOATING:
        return f"({raw} IS NOT NULL AND NOT isnan({raw}))"
    return f"({raw} IS NOT NULL)"


def matches(text: str, pattern: str) -> str:
    return f"coalesce(regexp_full_match({text}, {literal(pattern)}), false)"


def wrong_type(column: str, kind: str, accepted: str) -> FileRejected:
    return FileRejected(f"the column {column} has the type {kind}; accepted: {accepted}")
