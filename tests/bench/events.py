"""Uploads of any size for benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb

WITH_ORDERS: Final = ", round(random() * 100 + 0.5, 2) AS price, 'order-' || (i // 3) AS order_id"


def write_events(path: Path, n_rows: int, n_users: int, n_items: int, more_columns: str = "") -> None:
    """Purchases 6 seconds apart; a few people and items have most of them, as in a shop."""
    with duckdb.connect() as connection:
        connection.execute("SELECT setseed(0.42)")
        connection.execute(
            f"""COPY (
                SELECT 'customer-' || floor(random() ** 2 * {n_users})::BIGINT AS user_id,
                       'sku-' || floor(random() ** 3 * {n_items})::BIGINT AS item_id,
                       TIMESTAMP '2024-01-01' + to_seconds(i * 6) AS ts,
                       1 + floor(random() * 3)::INTEGER AS qty {more_columns}
                FROM range({n_rows}) AS numbers(i)
            ) TO '{path}' (FORMAT parquet)"""
        )
