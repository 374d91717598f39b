"""The function `train`: one call runs one training and answers with its record.

    functions-framework --source functions/train/main.py --target train

The body is empty or `{"families": ["als"], "evaluate": true, "budget_s": 300}`, every field optional.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import functions_framework.aio
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

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


@functions_framework.aio.http
async def train(_request: Request) -> Response:
    """Returns the ASGI application: the framework calls a returned response with the request's scope."""
    return cast(Response, _trigger)
