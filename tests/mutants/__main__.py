from __future__ import annotations

import argparse
import sys
import time

import tests.mutants
from tests.mutants.planting import PlantingError, plant
from tests.mutants.survivors import EXPLAINED, Outcome, as_toml, judge, read_explained
from tests.mutants.targets import ROOT, Target, read_targets

DIRECTORY = ROOT / "build" / "mutants"


def main() -> int:
    targets = {target.name: target for target in read_targets()}
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description=tests.mutants.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all by default: {', '.join(targets)}")
    names = parser.parse_args().targets or list(targets)
    if unknown := [name for name in names if name not in targets]:
        parser.error(f"no target is named {', '.join(unknown)}; there are {', '.join(targets)}")
    passed = [try_out(targets[name]) for name in names]
    return 0 if all(passed) else 1


def try_out(target: Target) -> bool:
    """Whether every fault was found, or is explained. Says what was not."""
    started = time.monotonic()
    try:
        outcome = judge(plant(target, ROOT, DIRECTORY / target.name), read_explained())
    except PlantingError as error:
        sys.stdout.write(f"{target.name}: mutmut failed\n{error}\n")
        return False
    say(target, outcome, time.monotonic() - started)
    return not outcome.new


def say(target: Target, outcome: Outcome, seconds: float) -> None:
    sys.stdout.write(
        f"{target.name}: {outcome.planted} faults planted, {outcome.found} found; of those left "
        f"{len(outcome.explained)} are explained and {len(outcome.new)} are new ({seconds:.0f} s)\n"
    )
    for function, before, after in outcome.stale:
        sys.stdout.write(f"explained and no longer left, in {function}:\n{before}\n{after}\n")
    if outcome.new:
        place = EXPLAINED.relative_to(ROOT)
        sys.stdout.write(f"Write the tests that find these, or say in {place} why none is needed:\n\n")
    for mutant in outcome.new:
        sys.stdout.write(f"{as_toml(mutant)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
