"""What was answered lately, of one served bundle: a visitor asks the same on page after page, and a product's page asks
the same for every visitor."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, NamedTuple

from common.serving.ranking import Rung

# Some 4,000 answers of ten cards. They are the largest part of what a worker keeps for itself.
MAX_BYTES: Final = 16 << 20


class Answer(NamedTuple):
    """`body` is JSON, made from the bundle of this id; `rungs` says how many of the items came from where, for the
    figures that are kept of answers."""

    body: bytes
    rungs: tuple[tuple[Rung, int], ...]
    bundle_id: str


CacheKey = tuple[bytes, bytes, bytes | None, str | None]
"""All that an answer follows from beside the bundle: path, query string, body, and the person of the token."""


class AnswerCache:
    """The answers that were used last, by what they follow from, in memory only.

    A bundle never changes, so an answer is valid until another bundle is served. Keys count towards `max_bytes` too: a
    client that fills the memory on purpose pushes out answers, and no more. Safe to call from several threads."""

    def __init__(self, bundle_id: str = "", max_bytes: int = MAX_BYTES) -> None:
        self.bundle_id = bundle_id
        self._answers: OrderedDict[CacheKey, Answer] = OrderedDict()
        self._free = max_bytes
        self._lock = threading.Lock()

    def find(self, question: CacheKey) -> Answer | None:
        with self._lock:
            answer = self._answers.get(question)
            if answer is not None:
                self._answers.move_to_end(question)
            return answer

    def keep(self, question: CacheKey, answer: Answer) -> None:
        """Does nothing with an answer from another bundle."""
        if answer.bundle_id != self.bundle_id:
            return
        with self._lock:
            before = self._answers.pop(question, None)
            self._free += _size(question, before) if before else 0
            self._answers[question] = answer
            self._free -= _size(question, answer)
            while self._free < 0:
                self._free += _size(*self._answers.popitem(last=False))


def _size(question: CacheKey, answer: Answer) -> int:
    """About how many bytes the two take. Python keeps a short text in twice its length."""
    path, query_string, body, subject = question
    return len(answer.body) + 2 * (len(path) + len(query_string) + len(body or b"") + len(subject or ""))
