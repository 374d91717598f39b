"""Loads a function in HTTP mode into the test's process, as functions-framework does in its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import functions_framework
from flask import Flask
from flask.testing import FlaskClient

FUNCTIONS = Path(__file__).parents[1] / "functions"


def client_of(target: str) -> FlaskClient:
    """Calls the function of `functions/<target>/main.py`, whose settings are the environment of this process."""
    create_app: Callable[[str, str], Flask] = functions_framework.create_app
    return create_app(target, str(FUNCTIONS / target / "main.py")).test_client()
