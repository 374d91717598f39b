"""The Prometheus metrics of the storefront API."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from common.edges.problems import refused
from common.schemas.kind import Kind
from common.serving.ranking import Rung
from common.serving.stages import BOUNDS_S, Stages
from common.usecases.recommend.activity import Activity
from common.usecases.recommend.answer_cache import Answer, Extent
from common.usecases.recommend.service import RecommendService

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST.encode()
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class _StageTimes(Collector):
    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(
            "recsys_stage_seconds",
            "Time of each stage of an answer; a cached answer has none.",
            labels=["stage"],
        )
        for stage, histogram in self._stages:
            family.add_metric([stage], _cumulated(BOUNDS_S, histogram.counts), histogram.sum_s)
        yield family


class _Answered(Collector):
    """The requests and the items in their answers.

    They are counted here, because each count of the library's own takes a lock and a microsecond, and every answer has
    four. Only the event loop counts and collects, so nothing is locked.
    """

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(_SECONDS) + 1))
        self._sums_s: defaultdict[str, float] = defaultdict(float)
        self._items: defaultdict[str, int] = defaultdict(int)

    def add_request(self, endpoint: str, status: int, seconds: float) -> None:
        self._requests[endpoint, status] += 1
        self._buckets[endpoint][bisect_left(_SECONDS, seconds)] += 1
        self._sums_s[endpoint] += seconds

    def add_items(self, rungs: Iterable[tuple[str, int]]) -> None:
        for rung, n_items in rungs:
            self._items[rung] += n_items

    def collect(self) -> Iterable[Metric]:
        requests = CounterMetricFamily("recsys_requests", "Requests.", labels=["endpoint", "status"])
        for (endpoint, status), number in self._requests.items():
            requests.add_metric([endpoint, str(status)], number)
        times = HistogramMetricFamily("recsys_request_seconds", "Time to an answer.", labels=["endpoint"])
        for endpoint, counts in self._buckets.items():
            times.add_metric([endpoint], _cumulated(_SECONDS, counts), self._sums_s[endpoint])
        items = CounterMetricFamily("recsys_items", "Items in answers, by rung.", labels=["rung"])
        for rung in Rung:
            items.add_metric([rung], self._items[rung])
        yield from (requests, times, items)


def _cumulated(bounds_s: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """The buckets of a histogram as Prometheus has them: each with all entries up to its upper bound."""
    return list(zip([*map(str, bounds_s), "+Inf"], accumulate(counts), strict=True))


class _BucketActivity(Collector):
    """Gauges of all functions and jobs, from the last listing of the bucket; empty before the first one."""

    def __init__(self) -> None:
        self.activity: Activity | None = None

    def collect(self) -> Iterable[Metric]:
        runs = GaugeMetricFamily(
            "recsys_last_run_timestamp_seconds",
            "When a run of a function or job last ended with this outcome.",
            labels=["function", "outcome"],
        )
        upload = GaugeMetricFamily(
            "recsys_oldest_upload_seconds", "How long the oldest upload has waited to be taken in; 0 if none waits."
        )
        reports = GaugeMetricFamily("recsys_quarantine_reports", "Reports in the quarantine.")
        if self.activity is not None:
            for labels, ended in self.activity.last_runs.items():
                runs.add_metric(labels, ended.timestamp())
            upload.add_metric((), self.activity.oldest_upload_s)
            reports.add_metric((), self.activity.quarantine_reports)
        yield from (runs, upload, reports)


class _RefusedByServer(Collector):
    """Requests and connections that the server has refused before the application saw them."""

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(
            "recsys_http_refused", "Requests and connections refused for what the client sends.", labels=["status"]
        )
        for status, number in sorted(refused.items()):
            family.add_metric([str(status)], number)
        yield family


class Metrics:
    """All metrics of one process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.stages = Stages()
        registry.register(_StageTimes(self.stages))
        registry.register(_RefusedByServer())
        self._activity = _BucketActivity()
        registry.register(self._activity)
        self._answered = _Answered()
        registry.register(self._answered)
        self._lists = Counter(
            "recsys_lists", "Lists of a kind that pages asked for.", ["kind", "extent"], registry=registry
        )
        self._age = Gauge("recsys_bundle_age_seconds", "Age of the served bundle.", registry=registry)
        self._model_age = Gauge(
            "recsys_model_age_seconds", "Time since the served model was trained.", registry=registry
        )
        self._bundle = Gauge("recsys_bundle", "The served bundle.", ["bundle_id", "model"], registry=registry)
        self._refused = Gauge("recsys_bundle_refused", "1 while a newer version is refused.", registry=registry)
        self._store = Gauge("recsys_store_answers", "1 while the bucket answers.", registry=registry)
        # Finding the child of a label takes longer than counting in it, so children are kept.
        self._lists_of = {(kind, extent): self._lists.labels(kind, extent) for kind in Kind for extent in Extent}
        self.answered = self._answered.add_request

    def recommended(self, answer: Answer) -> None:
        """Counts the items of an answer by their rung, and the list by its kind."""
        self._answered.add_items(answer.rungs)
        if answer.kind is not None and answer.extent is not None:
            self._lists_of[answer.kind, answer.extent].inc()

    def exposition(self, service: RecommendService | None) -> bytes:
        """The metrics in Prometheus' text format, with the current state of the service."""
        if service is not None:
            self._observe(service)
        return generate_latest(self._registry)

    def _observe(self, service: RecommendService) -> None:
        watch = service.watch
        self._activity.activity = watch.activity
        self._refused.set(watch.refusal is not None)
        self._store.set(watch.store_answers)
        self._bundle.clear()
        if watch.current is not None:
            document = watch.current.document
            self._bundle.labels(document.bundle_id, document.model.family).set(1)
            self._age.set(watch.age_s() or 0)
            self._model_age.set(watch.model_age_s() or 0)
