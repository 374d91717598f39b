"""Train a model on a shop's purchases, and ask what one person is recommended.

python -m examples.ask
"""

from __future__ import annotations

import json

from common.usecases.recommend.service import Query, RecommendService
from common.usecases.train.train import TrainOptions, train
from examples.grocer import PERSON, open_shop


def main() -> None:
    with open_shop() as shop:
        run = train(shop, TrainOptions(families=("als",), budget_s=60))
        print(f"training is {run.state}; published is {run.details['family']}")

        service = RecommendService(shop)
        service.start()
        answer = json.loads(service.recommend(Query(n=10, user_id=PERSON)).body)
        for item in answer["items"]:
            print(f"{item['title']:45} {item['rung']:12} {item['reason']['code']}")
        service.stop()


if __name__ == "__main__":
    main()
