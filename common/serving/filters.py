"""Which items a request asks for: category, brand, price range, availability and the shop's own columns, exactly.

DuckDB answers from the layer's catalogue file. It is imported when the first filter comes, so that a process that
serves none never pays for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from common.errors import CorruptError
from common.schemas.data import I32, Catalogue

if TYPE_CHECKING:
    import duckdb

FILE: Final = "catalog.duckdb"
# DuckDB's default of 256 KiB a block makes half a megabyte of a delta with one item.
_BLOCK_BYTES: Final = 16_384
_MEMORY_LIMIT: Final = "256MB"


@dataclass(frozen=True)
class Filter:
    """What an item must be. Several values of one field mean any of them; different fields must all hold.

    price_min and price_max are inclusive, and an item without a price is in no range. `available` None asks for items
    that are available and items that are not. `attributes` are pairs of a column of the shop and its value.
    """

    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    price_min: float | None = None
    price_max: float | None = None
    available: bool | None = True
    attributes: tuple[tuple[str, str], ...] = ()

    def narrowed(self, field: str, value: str) -> Filter | None:
        """The same, of items alone whose `field` (`category`, `brand` or a column of the shop) is `value`; None where
        it asks for others."""
        asked = {"category": self.categories, "brand": self.brands}.get(field, self._asked(field))
        if asked and value not in asked:
            return None
        if field == "category":
            return replace(self, categories=(value,))
        if field == "brand":
            return replace(self, brands=(value,))
        others = tuple(pair for pair in self.attributes if pair[0] != field)
        return replace(self, attributes=(*others, (field, value)))

    def _asked(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self.attributes if key == name)

    def conditions(self) -> Iterator[tuple[str, list[Any]]]:
        """SQL conditions over the catalogue's columns, with their parameters."""
        for column, values in (("category", self.categories), ("brand", self.brands)):
            if values:
                yield f"{column} IN ({', '.join('?' * len(values))})", list(values)
        if self.price_min is not None:
            yield "price >= ?", [self.price_min]
        if self.price_max is not None:
            yield "price <= ?", [self.price_max]
        if self.available is not None:
            yield "available = ?", [self.available]
        for name in dict.fromkeys(name for name, _ in self.attributes):
            values = self._asked(name)
            yield f"extra[?] IN ({', '.join('?' * len(values))})", [name, *values]


AVAILABLE: Final = Filter()
"""What every request gets that asks for nothing: all items that are available."""


def write_catalogue(catalogue: Catalogue, directory: Path) -> dict[str, Path]:
    """Writes the columns that can be filtered on; row i of the file's table is row i of the layer."""
    import duckdb

    path = directory / FILE
    columns = {
        "row": np.arange(len(catalogue), dtype=np.int32),
        "category": np.array(catalogue.categories, dtype=object),
        "brand": np.array(catalogue.brands, dtype=object),
        "price": catalogue.prices,
        "available": catalogue.available,
        "extra": np.array([json.dumps(extra) for extra in catalogue.extra], dtype=object),
    }
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS file (BLOCK_SIZE {_BLOCK_BYTES})")
        connection.register("columns", columns)
        connection.execute(
            'CREATE TABLE file.items AS SELECT "row", category, brand, available,'
            " CASE WHEN isnan(price) THEN NULL ELSE price END AS price,"
            " CAST(CAST(extra AS JSON) AS MAP(VARCHAR, VARCHAR)) AS extra FROM columns"
        )
    return {path.name: path}


class CatalogueFile:
    """The catalogue of one layer; the file is opened at the first filter and stays open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: duckdb.DuckDBPyConnection | None = None

    def rows(self, wanted: Filter) -> I32:
        """The rows of the layer that `wanted` keeps. Raises `CorruptError` for a file that is not a catalogue."""
        import duckdb

        conditions = list(wanted.conditions())
        where = " AND ".join(sql for sql, _ in conditions) or "true"
        parameters = [value for _, values in conditions for value in values]
        try:
            cursor = self._open().cursor()
            found = cursor.execute(f'SELECT "row" FROM items WHERE {where}', parameters).fetchnumpy()["row"]
        except (duckdb.IOException, duckdb.CatalogException, duckdb.BinderException) as error:
            raise CorruptError(f"{FILE} of a served layer cannot be read: {error}") from None
        return np.asarray(found, dtype=np.int32)

    def extra(self) -> list[dict[str, str]]:
        """Of each row of the layer the shop's own columns."""
        found = self._open().cursor().execute('SELECT extra FROM items ORDER BY "row"').fetchall()
        return [extra for (extra,) in found]

    def _open(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        if self._connection is None:
            options: dict[str, Any] = {"threads": 1, "memory_limit": _MEMORY_LIMIT, "temp_directory": ""}
            self._connection = duckdb.connect(str(self._path), read_only=True, config=options)
        return self._connection
