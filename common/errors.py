"""The error tree: every error that the product raises on purpose, grouped by what the caller can do about it.

    RecsysError
    ├── SettingError        the deployment is wrong: the process must not start; names the setting
    ├── InputError          the caller's input is wrong: the same call will fail again
    │   ├── BadRequest          a request's fields or body                       400
    │   ├── Unauthorized        a token is missing, malformed, wrong or expired  401
    │   ├── NotFound            the named thing does not exist                   404
    │   ├── TooLarge            a body, a list or an id over its limit           413
    │   └── FileRejected        an upload goes to quarantine whole               422
    ├── RefusedError        the request was understood and refused               409
    │   ├── Diverged            a fit ended in NaN or infinity                   409
    │   └── Stopped             a fit was ended: no time, no memory, or a crash  409
    ├── UnavailableError    try again later: nothing was lost                    503
    │   ├── BucketUnavailable   the object store does not answer
    │   ├── CommitContention    other writers won until the deadline
    │   ├── ReaderDied          an upload ended what took it in; it counts against the upload
    │   ├── NotReady            nothing is published yet
    │   ├── Busy                too many costly questions at once
    │   └── Unanswered          what is served does not let itself be read; it is being looked at
    └── CorruptError        what is stored is damaged or from an unknown format  500

`code` is stable, so that dashboards and clients may match on it. `edges.problems` maps errors to HTTP answers.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class RecsysError(Exception):
    """Base of the tree. `message` is for people: it says what is wrong with which thing, and what to do."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class SettingError(RecsysError):
    code = "setting"


class InputError(RecsysError):
    code = "input"
    status = 400


class BadRequest(InputError):
    code = "bad_request"


class Unauthorized(InputError):
    code = "unauthorized"
    status = 401


class NotFound(InputError):
    code = "not_found"
    status = 404


class TooLarge(InputError):
    code = "too_large"
    status = 413


class FileRejected(InputError):
    """The refusal of a whole upload: it cannot be read, or too many of its rows are bad."""

    code = "file_rejected"
    status = 422


class RefusedError(RecsysError):
    code = "refused"
    status = 409


class Diverged(RefusedError):
    """A fit that ended in NaN or infinity: these hyperparameters do not suit this data, but others may."""

    code = "diverged"


class StopCause(StrEnum):
    """Why a fit was ended before it had a result."""

    OUT_OF_TIME = "out_of_time"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"


class Stopped(RefusedError):
    """A fit, or what follows it, that was ended from outside. Other models are not concerned."""

    code = "stopped"

    def __init__(self, message: str, cause: StopCause = StopCause.OUT_OF_TIME) -> None:
        super().__init__(message)
        self.cause = cause


class UnavailableError(RecsysError):
    code = "unavailable"
    status = 503


class BucketUnavailable(UnavailableError):
    code = "bucket_unavailable"


class CommitContention(UnavailableError):
    code = "commit_contention"


class ReaderDied(UnavailableError):
    """What takes in an upload died of it, or reached its deadline. After a few times the upload is refused."""

    code = "reader_died"


class NotReady(UnavailableError):
    code = "not_ready"


class Busy(UnavailableError):
    code = "busy"


class Unanswered(UnavailableError):
    """The answer to a request that a library failed on. The fault itself has been logged."""

    code = "unanswered"


class CorruptError(RecsysError):
    code = "corrupt"
