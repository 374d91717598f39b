"""A small shop whose buyers are all guests: the 65 paid orders of a WooCommerce shop, one a line, by their products."""

from __future__ import annotations

from typing import Final

from common.usecases.ingest.ingest import drain
from common.usecases.shared.context import Context
from tests.shops import NOON

ORDERS: Final = tuple(
    tuple(line.split())
    for line in """
MAR-20 SOC-6F STR-35 TEE-01
BUC-03 MOH-025 SOC-6F STR-35
0042
SOC-4F STO-01 STR-35
BAU-050-WEI HAN-01 NAD-45
MUE-01-XL NAD-45 TSH-01-L-SCH
BAU-050-GEL BUC-01 SOC-4F SPI-01
0042 BUC-01 MOH-025
HAN-01
MUE-01-XL SOC-6F TSH-01-M-WEI
RUN-40
BUC-01 MUE-01-XL SOC-4F
BAU-050-SCH BUC-03 KAE-01 NAD-45
BUC-01 RUN-40 SOC-4F
TSH-01-S-WEI
MOH-025
SCH-01 SOC-4F STR-35
BUC-03 KAE-01
MUE-01-EIN SPI-01 TSH-01-S-WEI
SOC-6F STO-01 STR-35
BAU-050-SCH GUT-50 NAD-45
MOH-025
KAE-01 TSH-01-L-WEI
SOC-6F STR-35
NAD-45 STO-01
HAN-01 MOH-025 SOC-6F STR-35
GUT-50 KNO-06 NAD-45
MUE-01-EIN TSH-01-M-SCH
MER-100-ROT STR-35
BAU-050-SCH LEI-100 NAD-45
BUC-01 SOC-4F
BAU-050-GEL NAD-45 SOC-6F SPI-01
SOC-6F SPI-01
BUC-01 MER-100-GRÜ MOH-025 RUN-40
MUE-01-EIN SPI-01 TSH-01-M-WEI
MER-100-BLA MER-100-GRÜ RUN-40
MER-100-BLA
ALT-01 HAN-01 SOC-6F STR-35
TSH-01-S-SCH
BAU-050-SCH MER-100-GRÜ SOC-6F
ALP-050 KAE-01
MAR-20 MOH-025 SOC-4F
BAU-050-GEL NAD-45
MOH-025
HAN-01 SOC-6F STR-35
TSH-01-L-WEI TSH-01-S-SCH
BAU-050-WEI MUE-01-EIN SOC-6F
BUC-01 SOC-4F SPI-01 TSH-01-L-SCH
BAU-050-WEI NAD-45 TSH-01-L-SCH
MER-100-GRÜ RUN-40
LEI-100 MOH-025 NAD-45
ALP-050 MER-100-BLA MER-100-GRÜ
MAR-20 MER-100-GRÜ NAD-45
HAN-01 MER-100-ROT
BAU-050-GEL BAU-050-WEI NAD-45 TSH-01-M-WEI
SOC-4F STR-35 TSH-01-L-SCH
BAU-050-WEI SPI-01
MER-100-BLA MUE-01-XL
MER-100-BLA RUN-40
HAN-01 MER-100-ROT MOH-025
BUC-01 MER-100-BLA SOC-4F
KAE-01 SOC-6F STR-35
HAN-01 MUE-01-EIN TSH-01-M-SCH
TSH-01-L-WEI
SOC-6F TSH-01-L-WEI
""".strip().splitlines()
)


def take_in_orders(ctx: Context) -> None:
    """Every order is a guest's, one every five hours."""
    rows = [
        f"guest,{item},{NOON + number * 18_000},1,{number},false"
        for number, order in enumerate(ORDERS)
        for item in order
    ]
    csv = "\n".join(["user_id,item_id,ts,qty,order_id,consent", *rows, ""])
    ctx.bucket.put(f"{ctx.keys.incoming_events}orders.csv", csv.encode())
    drain(ctx)
