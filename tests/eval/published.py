"""What has been published on the same data under the same protocol, and what the families are to reach.

Gowalla: BARS's leaderboard `gowalla_m1` (Zhu et al. 2022), recall@20 and NDCG@20, train items masked. Amazon
electronics: UltraGCN's repository and its reruns. Yoochoose 1/64: session-rec's tables (Ludewig et al. 2021), hit rate
and MRR at 20, nothing masked. The grocer's year: Kula (2015) has a cold AUC of .67 to .70 on CrossValidated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Reference:
    """`reach` and `aim`: the two metrics of the data set, and whose they are; there need be no aim."""

    reach: tuple[float, float]
    reach_by: str
    aim: tuple[float, float] | None = None
    aim_by: str = ""

    @property
    def targets(self) -> tuple[tuple[tuple[float, float] | None, str], ...]:
        return (self.reach, self.reach_by), (self.aim, self.aim_by)


METRICS: Final[dict[str, tuple[str, str]]] = {
    "gowalla": ("recall@20", "ndcg@20"),
    "amazon_electronics_small": ("recall@20", "ndcg@20"),
    "yoochoose1_64": ("hit_rate@20", "mrr@20"),
    "completejourney": ("cold_auc", "warm_to_ids_only"),
}

_ELECTRONICS: Final = Reference((0.1302, 0.0775), "MF-BPR", (0.1368, 0.0829), "UltraGCN")

REFERENCES: Final[dict[tuple[str, str], Reference]] = {
    ("gowalla", "als"): Reference((0.1765, 0.1467), "EASE", (0.1830, 0.1550), "LightGCN"),
    ("gowalla", "bpr"): Reference((0.1491, 0.1235), "MF-BPR", (0.1627, 0.1378), "MF-BPR, tuned"),
    ("gowalla", "item2vec"): Reference((0.1326, 0.1057), "item2vec", (0.1570, 0.1214), "item-kNN"),
    ("completejourney", "lightfm"): Reference((0.70, 1.0), "the paper's cold start, and itself on ids only"),
    ("yoochoose1_64", "gru4rec"): Reference((0.653, 0.275), "GRU4Rec", (0.696, 0.288), "VS-KNN"),
    ("yoochoose1_64", "cooccurrence"): Reference((0.696, 0.288), "VS-KNN"),
    ("amazon_electronics_small", "als"): _ELECTRONICS,
    ("amazon_electronics_small", "bpr"): _ELECTRONICS,
}
