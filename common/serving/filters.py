"""Filters: the items with a category, brand, price range, availability and values of the shop's own columns.

DuckDB answers from the layer's catalogue file, exactly. It is imported at the first filter, so a process without
filters does not need it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
    """The conditions on an item. Values of one field are alternatives; different fields must all match.

    price_min, price_max: inclusive; an item without a price is in no range
    available: None for available and unavailable items
    attributes: pairs of a column of the shop and its value
    """

    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    price_min: float | None = None
    price_max: float | None = None
    available: bool | None = True
    attributes: tuple[tuple[str, str], ...] = ()

    def narrowed(self, field: str, value: str) -> Filter | None:
        """This filter with the further condition that `field` (`category`, `brand` or a column of the shop) is `value`.

        None where the filter excludes that value.
        """
        allowed = {"category": self.categories, "brand": self.brands}.get(field, self._values_of(field))
        if allowed and value not in allowed:
            return None
        if field == "category":
            return replace(self, categories=(value,))
        if field == "brand":
            return replace(self, brands=(value,))
        others = tuple(pair for pair in self.attributes if pair[0] != field)
        return replace(self, attributes=(*others, (field, value)))

    @property
    def columns(self) -> frozenset[str]:
        """The shop's own columns that it looks at. Each costs several times what a category or a price costs."""
        return frozenset(name for name, _ in self.attributes)

    def _values_of(self, name: str) -> tuple[str, ...]:
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
            values = self._values_of(name)
            yield f"extra[?] IN ({', '.join('?' * len(values))})", [name, *values]


AVAILABLE: Final = Filter()
"""The filter of a request without one: all available items."""


def write_catalogue(catalogue: Catalogue, directory: Path) -> dict[str, Path]:
    """Writes the columns that filters use; row i of the file's table is row i of the layer."""
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
    """The catalogue of one layer. The file is opened at the first filter and stays open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opening = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def rows(self, wanted: Filter) -> I32:
        """(m,) int32: the rows of the layer that match the filter.

        Raises `CorruptError` for a file that is not a catalogue, and `MemoryError` where the filter takes more memory
        than filters have.
        """
        conditions = list(wanted.conditions())
        where = " AND ".join(sql for sql, _ in conditions) or "true"
        parameters = [value for _, values in conditions for value in values]
        with self._cursor() as cursor:
            rows = cursor.execute(f'SELECT "row" FROM items WHERE {where}', parameters).fetchnumpy()["row"]
        return np.asarray(rows, dtype=np.int32)

    def extra(self) -> list[dict[str, str]]:
        """The shop's own columns of each row of the layer. Raises as `rows` does."""
        with self._cursor() as cursor:
            rows = cursor.execute('SELECT extra FROM items ORDER BY "row"').fetchall()
        return [extra for (extra,) in rows]

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        import duckdb

        try:
            yield self._open().cursor()
        except duckdb.OutOfMemoryException as error:
            raise MemoryError(f"a filter takes more than {_MEMORY_LIMIT}: {error}") from None
        except duckdb.Error as error:
            raise CorruptError(f"{FILE} of a served layer cannot be read: {error}") from None

    def _open(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        with self._opening:
            if self._connection is None:
                options: dict[str, Any] = {"threads": 1, "memory_limit": _MEMORY_LIMIT, "temp_directory": ""}
                self._connection = duckdb.connect(str(self._path), read_only=True, config=options)
            return self._connection
