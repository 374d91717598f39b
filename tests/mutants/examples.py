"""hypothesis for planted faults: the same examples in every run, and none made smaller once one has failed."""

from __future__ import annotations

from hypothesis import Phase, settings

settings.register_profile("mutants", derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])
settings.load_profile("mutants")
