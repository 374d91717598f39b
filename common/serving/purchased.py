"""What becomes of items that a person has bought."""

from __future__ import annotations

import numpy as np

from common.config import Purchased
from common.serving.bundle import ServedBundle
from common.serving.ranking import RankingRequest


def decide(bundle: ServedBundle, purchased: Purchased) -> Purchased:
    """Hidden where it is left to training, and training could not judge it."""
    if purchased is not Purchased.AUTO:
        return purchased
    repeats = bundle.document.model.repeats
    return Purchased(repeats.decision) if repeats else Purchased.HIDE


def with_purchased(bundle: ServedBundle, request: RankingRequest, purchased: Purchased) -> RankingRequest:
    """The request, with what is to become of items that its person has bought."""
    decided = decide(bundle, purchased)
    if decided is Purchased.BOOST:
        return request._replace(boost=bundle.boost)
    if decided is Purchased.SHOW or request.person is None:
        return request
    bought = request.person.items[request.person.purchased]
    return request._replace(hide=np.append(request.hide, bought) if len(request.hide) else bought)
