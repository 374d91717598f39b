"""Optuna studies: one a family, in memory or in a database that several processes share."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

from common.errors import SettingError
from common.models.space import Categorical, Float, Int, Range, Space, Value, Width

HEARTBEAT_S: Final = 60
"""Seconds between heartbeats; a process without one for twice as long has lost its trial."""

CONNECT_ATTEMPTS: Final = 5
CONNECT_PAUSE_S: Final = 0.5

STARTUP_TRIALS: Final = 5
"""Random trials before the sampler uses results and before any trial is pruned; budgets of minutes allow ten to fifty
trials in all."""


@contextmanager
def storage_at(url: str | None) -> Iterator[BaseStorage]:
    """The storage at a URL, or in memory without one.

    Raises `SettingError` where the database cannot be used. No message contains the URL, which may contain a password.
    """
    if url is None:
        yield InMemoryStorage()
        return
    storage = _connect(url)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _connect(url: str) -> RDBStorage:
    attempt = 1
    while True:
        try:
            return _storage(url)
        except (SQLAlchemyError, ImportError, RuntimeError) as error:
            if attempt == CONNECT_ATTEMPTS or not isinstance(error, IntegrityError | ProgrammingError):
                # The texts of these errors quote the URL.
                problem = type(error).__name__
                raise SettingError(f"RECSYS_OPTUNA_STORAGE: the database cannot be used ({problem})") from None
        # Jobs that start together on an empty database make its tables together, and all but one fail.
        time.sleep(CONNECT_PAUSE_S * attempt)
        attempt += 1


def _storage(url: str) -> RDBStorage:
    with warnings.catch_warnings():
        # The heartbeat may change in a later version of Optuna, and its version is pinned.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return RDBStorage(url, heartbeat_interval=HEARTBEAT_S, grace_period=2 * HEARTBEAT_S)


def open_study(storage: BaseStorage, name: str, seed: int) -> optuna.Study:
    """The study of that name; it is made if it does not exist, and joined if another process has made it."""
    return optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS),
        pruner=MedianPruner(n_startup_trials=STARTUP_TRIALS),
        direction="maximize",
        load_if_exists=True,
    )


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Value]:
    """One value of the trial for each path of the space."""
    return {path: _suggest(trial, path, range_) for path, range_ in space.items()}


def _suggest(trial: optuna.Trial, path: str, range_: Range) -> Value:
    match range_:
        case Float(low, high, log):
            return trial.suggest_float(path, low, high, log=log)
        case Int(low, high, log):
            return trial.suggest_int(path, low, high, log=log)
        case Categorical(options) | Width(options):
            return trial.suggest_categorical(path, options)


def distribution(range_: Range) -> BaseDistribution:
    """Optuna's form of a range."""
    match range_:
        case Float(low, high, log):
            return FloatDistribution(low, high, log)
        case Int(low, high, log):
            return IntDistribution(low, high, log)
        case Categorical(options) | Width(options):
            return CategoricalDistribution(options)
