"""Evaluates models on public data and holds them against what has been published.

    python -m tests.eval                                   every configuration in tests/eval/configs
    python -m tests.eval --data gowalla --model als        those of one data set, one model, or both
    python -m tests.eval --shop online_retail              every baseline and family on a real shop
    python -m tests.eval --floor sparse                    what a short night serves, beside plain lists
    python -m tests.eval --champion online_retail          what a night publishes there, asked through recommend
    python -m tests.eval --visits online_retail             visits and baskets there: links beside lift and vectors
    python -m tests.eval --similar completejourney         similar items there: the blend beside vectors and yardsticks
    python -m tests.eval --due online_retail                what is bought again there, beside what is most frequent
    python -m tests.eval --kinds gift                       what goes with baskets, visits and orders there
    python -m tests.eval --popular gift                     what is popular there, beside other ways to count
    python -m tests.eval --tables gift                      all tables of a shop, as `make eval SHOP=gift`
    python -m tests.eval --for-you grocer                   first purchases there: for-you as served, beside plain lists
    python -m tests.eval --cold --models '{"lightfm": {}}'   the grocer, a fifth of the items unseen
    python -m tests.eval --train a.parquet --test b.csv --models '{"als": {"factors": 128}}'
    python -m tests.eval --train-sessions a.txt --test-prefixes b.tsv --tune 600 --models '{"gru4rec": {}}'

Files of interactions have the columns user_id, item_id and, if known, ts (epoch seconds). A file of sessions has one a
line, `item item …`, in order of time; one of prefixes `item item … TAB target`. Results are printed and written to
build/eval/<data>-<model>.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from common.cpus import usable_cpus
from common.evaluation.judge import PRIMARY
from common.models.registry import families_for_people
from tests.eval import due, for_you, kinds, popular, visits
from tests.eval.champion import evaluate_champion, lines
from tests.eval.cold import evaluate_cold
from tests.eval.configs import read_configs
from tests.eval.files import person_task, session_task
from tests.eval.floor import floor_rows, line_of
from tests.eval.judging import Result, evaluate
from tests.eval.known import NoData, known_task
from tests.eval.published import METRICS
from tests.eval.report import line, write
from tests.eval.shop_table import HEADER, rows
from tests.eval.shops import CALLED, SHOPS
from tests.eval.similar import SIMILAR_SHOPS, similar_rows
from tests.eval.tasks import Task
from tests.eval.tuning import tune

BUILD = Path("build/eval")

CLICKS = "clicks"
"""Yoochoose 1/64, where there is no shop's data with views."""

COLD_SHOP = "completejourney"
"""Whose items have features."""


def main() -> int:
    options = _options()
    for name, print_table in TABLES.items():
        if getattr(options, name):
            return print_table(options)
    if options.cold:
        for model, params in json.loads(options.models).items():
            _evaluate_cold(model, params, options)
        return 0
    if options.train or options.train_sessions:
        for model, params in json.loads(options.models).items():
            _evaluate(_own_task(options), "own", model, params, options)
        return 0
    configs = read_configs(options.data, options.model)
    if not configs:
        print(f"no configuration in tests/eval/configs for data {options.data} and model {options.model}")
        return 2
    if len(configs) > 1:
        # A process each, so that peak memory is one model's.
        calls = [["--data", config.data, "--model", config.model] for config in configs]
        own = ["--data-dir", str(options.data_dir)]
        codes = [
            subprocess.run([sys.executable, "-m", "tests.eval", *call, *own], check=False).returncode for call in calls
        ]
        _collect()
        return max(codes)
    (config,) = configs
    options.seeds = options.seeds or config.seeds
    if config.data == COLD_SHOP:
        _evaluate_cold(config.model, config.params, options)
        return 0
    try:
        task = known_task(config.data, options.data_dir)
    except NoData as reason:
        print(reason)
        return 2
    _evaluate(task, config.data, config.model, config.params, options)
    return 0


def _shop_of(name: str, options: argparse.Namespace) -> Any:
    return SHOPS[CALLED.get(name, name)](options.data_dir)


def _told(found: Iterable[Any], line: Callable[[Any], object]) -> list[Any]:
    """Prints the line of each row as soon as it is there; returns the rows."""
    rows_found = []
    for row in found:
        print(line(row), flush=True)
        rows_found.append(row)
    return rows_found


def _keep(name: str, found: object) -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / f"{name}.json").write_text(json.dumps(found, indent=1))
    return 0


def _print_shop(options: argparse.Namespace) -> int:
    print(f"{options.shop}, last 28 days\n{HEADER}", flush=True)
    families = [options.model] if options.model else families_for_people()
    found = _told(rows(_shop_of(options.shop, options), families), str)
    return _keep(f"{options.shop}-all", [row.as_dict() for row in found])


def _print_floor(options: argparse.Namespace) -> int:
    print(f"{options.floor}, last 28 days, {PRIMARY}: all purchases   new to the person", flush=True)
    return _keep(f"{options.floor}-floor", _told(floor_rows(_shop_of(options.floor, options)), line_of))


def _print_for_you(options: argparse.Namespace) -> int:
    print(f"{options.for_you}, last 28 days, new purchases: {PRIMARY}, then of twelve cards", flush=True)
    found = for_you.for_you_rows(options.for_you, options.data_dir, compare=not options.as_begun)
    return _keep(f"{options.for_you}-for-you", _told(found, for_you.line_of))


def _print_visits(options: argparse.Namespace) -> int:
    families = [options.model] if options.model else ["cooccurrence", "als"]
    found = visits.rows(_shop_of(options.visits, options), families, options.people)
    return _keep(f"{options.visits}-visits", _told(found, json.dumps))


def _print_similar(options: argparse.Namespace) -> int:
    return _keep(f"{options.similar}-similar", _told(similar_rows(options.similar, options.data_dir), json.dumps))


def _print_champion(options: argparse.Namespace) -> int:
    found = evaluate_champion(_shop_of(options.champion, options), options.budget)
    _told(lines(found), str)
    return _keep(f"{options.champion}-champion", found)


def _print_due(options: argparse.Namespace) -> int:
    found = due.evaluate_due(_shop_of(options.due, options))
    _told(due.lines(found), str)
    return _keep(f"{options.due}-due", found)


def _print_kinds(options: argparse.Namespace) -> int:
    is_clicks = options.kinds == CLICKS
    found = (
        kinds.evaluate_clicks(options.data_dir) if is_clicks else kinds.evaluate_kinds(_shop_of(options.kinds, options))
    )
    _told(kinds.lines(found), str)
    return _keep(f"{options.kinds}-kinds", found)


def _print_popular(options: argparse.Namespace) -> int:
    found = popular.evaluate_popular(_shop_of(options.popular, options))
    _told(popular.lines(found), str)
    return _keep(f"{options.popular}-popular", found)


NO_SUCH_CELL: Final = {
    "grocer": ("session and because-you-viewed: there are no views, and lines of one order have no order",),
    "gift": (
        "session and because-you-viewed: there are no views",
        "same category: there are no categories; of similar items the last word of a description stands for one",
    ),
    "sparse": (
        "session and because-you-viewed: there are no views",
        "similar: of each person only four weeks are known, too few for what was bought instead within 60 days",
    ),
}
"""What a shop's data cannot say. What needs views is measured on sessions: `--kinds clicks`, `--similar yoochoose1_64`,
and as published `--data yoochoose1_64 --model cooccurrence`."""


def _print_tables(options: argparse.Namespace) -> int:
    """A process each, so that peak memory is one table's."""
    shop, own = options.tables, ["--data-dir", str(options.data_dir)]
    calls = [["--floor", shop], ["--for-you", shop], ["--popular", shop], ["--kinds", shop], ["--due", CALLED[shop]]]
    calls += [["--similar", CALLED[shop]]] if CALLED[shop] in SIMILAR_SHOPS else []
    codes = []
    for call in calls:
        print(f"\n{' '.join(call)}", flush=True)
        codes.append(subprocess.run([sys.executable, "-m", "tests.eval", *call, *own], check=False).returncode)
    for cell in NO_SUCH_CELL[shop]:
        print(f"no such cell: {cell}", flush=True)
    return max(codes)


TABLES: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "shop": _print_shop,
    "floor": _print_floor,
    "champion": _print_champion,
    "visits": _print_visits,
    "similar": _print_similar,
    "due": _print_due,
    "kinds": _print_kinds,
    "popular": _print_popular,
    "tables": _print_tables,
    "for_you": _print_for_you,
}
"""What is printed for an option of this name."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.eval", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    known = parser.add_argument_group("public data")
    known.add_argument("--data")
    known.add_argument("--model")
    known.add_argument("--shop", choices=SHOPS, help="every baseline and family on a real shop's last 28 days")
    known.add_argument("--floor", choices=CALLED, help="what a short night serves known people, beside plain lists")
    known.add_argument("--champion", choices=SHOPS, help="what a night publishes for a real shop, through recommend")
    known.add_argument("--visits", choices=SHOPS, help="visits and baskets of a real shop's last 28 days")
    known.add_argument("--similar", choices=SIMILAR_SHOPS, help="similar items of a real shop's last 28 days")
    known.add_argument("--due", choices=SHOPS, help="what is bought again in a real shop's last 28 days")
    known.add_argument("--kinds", choices=[*CALLED, CLICKS], help="what goes with baskets, products, visits and orders")
    known.add_argument("--popular", choices=CALLED, help="what is popular in a real shop's last 28 days")
    known.add_argument("--tables", choices=CALLED, help="all tables of a real shop, each into build/eval")
    known.add_argument("--for-you", choices=CALLED, help="for-you of a shop through recommend, by first purchases")
    known.add_argument("--as-begun", action="store_true", help="of --for-you: als with its defaults, not compared")
    known.add_argument("--people", type=int, default=5, help="of --visits: whom a pair of items needs")
    known.add_argument("--budget", type=float, default=900, metavar="SECONDS", help="of that night's training")
    known.add_argument("--data-dir", type=Path, default=Path(os.environ.get("EVAL_DATA", "../shared/data")))
    known.add_argument("--cold", action="store_true", help="--models on the grocer, a fifth of the items unseen")
    own = parser.add_argument_group("data of your own")
    own.add_argument("--train", type=Path)
    own.add_argument("--test", type=Path)
    own.add_argument("--train-sessions", type=Path)
    own.add_argument("--test-prefixes", type=Path)
    own.add_argument("--models", default='{"als": {}}', help="JSON: parameters by model")
    own.add_argument(
        "--mask-train",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="leave out what a person is known to have; by default for people, not for sessions",
    )
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--seeds", type=lambda text: tuple(int(seed) for seed in text.split(",")), default=())
    parser.add_argument("--tune", type=float, metavar="SECONDS", help="search first, on a part of train")
    parser.add_argument("--max-width", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=usable_cpus())
    return parser.parse_args()


def _own_task(options: argparse.Namespace) -> Task:
    if options.train_sessions:
        return session_task(options.train_sessions, options.test_prefixes, mask_train=bool(options.mask_train))
    return person_task(options.train, options.test, mask_train=options.mask_train is not False)


def _evaluate(task: Task, data: str, model: str, params: dict[str, Any], options: argparse.Namespace) -> None:
    extra: dict[str, Any] = {}
    if options.tune:
        by = METRICS.get(data, (f"ndcg@{options.k}",))[-1]
        best, records = tune(
            task, model, by, k=options.k, budget_s=options.tune, max_width=options.max_width, first=[params]
        )
        extra = {"tuned_by": by, "trials": [record.as_dict() for record in records]}
        if best:
            params = best.params
            print(f"{data} {model}: {len(records)} trials, {by} {best.score:.4f} with {json.dumps(params)}", flush=True)
    seeds = options.seeds or (1,)
    results = [evaluate(task, model, params, k=options.k, seed=seed, threads=options.threads) for seed in seeds]
    _tell(results, data, extra)


def _evaluate_cold(model: str, params: dict[str, Any], options: argparse.Namespace) -> None:
    data, seeds = SHOPS[COLD_SHOP](options.data_dir), options.seeds or (1,)
    _tell([evaluate_cold(data, model, params, seed=seed, threads=options.threads) for seed in seeds], COLD_SHOP, {})


def _tell(results: list[Result], data: str, extra: dict[str, Any]) -> None:
    print(line(results, data), flush=True)
    write(results, data, BUILD / f"{data}-{results[0].model}.json", extra)


def _collect() -> None:
    """All results together in build/eval.json."""
    results = [json.loads(path.read_text()) for path in sorted(BUILD.glob("*.json"))]
    BUILD.with_suffix(".json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    sys.exit(main())
