"""Simple baselines that every model is compared with. They are evaluated only; none is served.

Each learns from a fold's past and scores every item for the people of the fold, so baselines are ranked and counted in
the same way as models.
"""

from __future__ import annotations

from typing import Final

from common.evaluation.baselines.base import Baseline
from common.evaluation.baselines.ease import EASE
from common.evaluation.baselines.item_knn import ItemKNN
from common.evaluation.baselines.latest_session import LatestSession
from common.evaluation.baselines.own_frequent import OwnFrequent
from common.evaluation.baselines.recent_popular import RecentPopular

BASELINES: Final[tuple[type[Baseline], ...]] = (RecentPopular, OwnFrequent, ItemKNN, EASE, LatestSession)
