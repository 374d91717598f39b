"""The treatment of items that a person has bought."""

from __future__ import annotations

import numpy as np

from common.config import Purchased
from common.serving.bundle import ServedBundle
from common.serving.ranking import RankingRequest


def decide(bundle: ServedBundle, purchased: Purchased) -> Purchased:
    """The treatment under the shop's setting `purchased`; hidden where the setting leaves it to training and training
    has no figures."""
    if purchased is not Purchased.AUTO:
        return purchased
    repeats = bundle.document.model.repeats
    return Purchased(repeats.decision) if repeats else Purchased.HIDE


def with_purchased(bundle: ServedBundle, request: RankingRequest, purchased: Purchased) -> RankingRequest:
    """The request with the treatment of its person's purchases."""
    decided = decide(bundle, purchased)
    if decided is Purchased.BOOST:
        return request._replace(boost=bundle.boost)
    if decided is Purchased.SHOW or request.person is None:
        return request
    bought = request.person.items[request.person.purchased]
    return request._replace(hide=np.append(request.hide, bought) if len(request.hide) else bought)
