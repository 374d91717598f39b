"""What becomes of items that a person has bought."""

from __future__ import annotations

import numpy as np

from common.config import Purchased
from common.serving.bundle import ServedBundle
from common.serving.ranking import Wish


def decide(bundle: ServedBundle, purchased: Purchased) -> Purchased:
    """Hidden where it is left to training, and training could not judge it."""
    if purchased is not Purchased.AUTO:
        return purchased
    repeats = bundle.document.model.repeats
    return Purchased(repeats.decision) if repeats else Purchased.HIDE


def with_purchased(bundle: ServedBundle, wish: Wish, purchased: Purchased) -> Wish:
    """The wish, with what is to become of items that its person has bought."""
    decided = decide(bundle, purchased)
    if decided is Purchased.BOOST:
        return wish._replace(boost=bundle.boost)
    if decided is Purchased.SHOW or wish.person is None:
        return wish
    bought = wish.person.items[wish.person.purchased]
    return wish._replace(hide=np.append(wish.hide, bought) if len(wish.hide) else bought)
