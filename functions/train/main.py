"""The function `train`: one call runs one training and answers with its record.

    functions-framework --source functions/train/main.py --target train

The body is empty or `{"families": ["als"], "evaluate": true, "budget_s": 300}`, every field optional.
"""

from __future__ import annotations

from collections.abc import Mapping

import flask
import functions_framework
from pydantic import ValidationError

from common.edges.triggers import Trigger
from common.errors import BadRequest
from common.usecases.train.train import TrainOptions
from common.usecases.train.train import train as train_once


def _read(_headers: Mapping[str, str], body: bytes) -> TrainOptions:
    try:
        return TrainOptions.model_validate_json(body or b"{}")
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise BadRequest(f"the body is not an order for training: {problems}") from None


_trigger = Trigger("train", _read, lambda ctx, options: [train_once(ctx, options)])


@functions_framework.http
def train(request: flask.Request) -> flask.Response:
    return _trigger.handle(request)
