"""The delivery of events to one function: in order, one at a time, and repeated until accepted or given up."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.local.calls import Answer, call

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """At most `attempts` deliveries of an event. The wait between two is `first_s`, then doubles up to `longest_s`."""

    attempts: int = 10
    first_s: float = 0.5
    longest_s: float = 30.0

    def wait_s(self, attempt: int) -> float:
        return min(self.first_s * 2.0 ** (attempt - 1), self.longest_s)


@dataclass(frozen=True)
class Event:
    """A request to a function, with the body that the bucket sent. `label` is for the log."""

    label: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Delivery:
    """The queue of one function's events, and the thread that delivers them.

    An event leaves the queue if the function answers 2xx or a final 4xx, or after `RetryPolicy.attempts` failed
    deliveries. An event that is given up is logged; the sweep finds its upload later.
    """

    def __init__(self, name: str, url: str, token: str, timeout_s: float, policy: RetryPolicy) -> None:
        self.name = name
        self._url = url
        self._authorization = {"Authorization": f"Bearer {token}"}
        self._timeout_s = timeout_s
        self._policy = policy
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        # A daemon, because a delivery may be waiting for an answer when the stack ends.
        self._thread = threading.Thread(target=self._run, name=f"delivery-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._events.put(None)

    def add(self, event: Event) -> None:
        self._events.put(event)

    def _run(self) -> None:
        while (event := self._events.get()) is not None:
            self._deliver(event)

    def _deliver(self, event: Event) -> None:
        for attempt in range(1, self._policy.attempts + 1):
            answer = self._post(event)
            if answer is not None and not _may_work_later(answer):
                level = logging.INFO if answer.status < 300 else logging.ERROR
                log.log(level, "%s answered %d for %s", self.name, answer.status, event.label)
                return
            outcome = "no answer" if answer is None else f"status {answer.status}"
            log.warning("%s: %s for %s, attempt %d", self.name, outcome, event.label, attempt)
            if self._stopping.wait(self._policy.wait_s(attempt)):
                return
        log.error("%s: gave up %s; the sweep will find it", self.name, event.label)

    def _post(self, event: Event) -> Answer | None:
        headers = {**event.headers, **self._authorization}
        return call("POST", self._url, body=event.body, headers=headers, timeout_s=self._timeout_s)


def _may_work_later(answer: Answer) -> bool:
    """Whether Knative Eventing would retry: after server errors and after temporary client errors."""
    return answer.status >= 500 or answer.status in (404, 408, 409, 429)
