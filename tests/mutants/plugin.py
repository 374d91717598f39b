"""pytest, in the processes that each try one planted fault.

Examples are the same in every run, and none is made smaller once it has failed. What was imported before the fork is
left out of pytest's last search for garbage, which otherwise takes longer than most tests.
"""

from __future__ import annotations

import gc

from hypothesis import Phase, settings

settings.register_profile("mutants", derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])
settings.load_profile("mutants")


def pytest_configure() -> None:
    gc.freeze()
