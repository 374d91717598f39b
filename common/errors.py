"""Every error the product raises on purpose, grouped by what the caller does about it.

    RecsysError
    ├── SettingError        the deployment is wrong: the process must not start; names the setting
    ├── InputError          the caller's input is wrong: the same call will fail again
    │   ├── BadRequest          a request's fields or body                       400
    │   ├── Unauthorized        a token is missing, malformed, wrong or expired  401
    │   ├── NotFound            the named thing does not exist                   404
    │   ├── TooLarge            a body, a list or an id over its limit           413
    │   └── FileRejected        an upload goes to quarantine whole               422
    ├── RefusedError        the work was understood and refused, with the figures 409
    │   └── Diverged            a fit ran away to NaN or infinity                409
    ├── UnavailableError    try again later: nothing was lost                    503
    │   ├── BucketUnavailable   the object store does not answer
    │   ├── CommitContention    other writers won until the deadline
    │   └── NotReady            nothing is published yet
    └── CorruptError        what is stored is damaged or from an unknown format  500

`code` is stable: dashboards and clients may match on it. `edges.problems` is the one place that maps errors to HTTP.
"""

from __future__ import annotations

from typing import ClassVar


class RecsysError(Exception):
    """Base of the tree. `message` is for people: it names the thing, what is wrong with it and what to do."""

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
    """An upload that cannot be read at all, or in which too many rows are bad."""

    code = "file_rejected"
    status = 422


class RefusedError(RecsysError):
    code = "refused"
    status = 409


class Diverged(RefusedError):
    """These hyperparameters do not suit this data; others may."""

    code = "diverged"


class UnavailableError(RecsysError):
    code = "unavailable"
    status = 503


class BucketUnavailable(UnavailableError):
    code = "bucket_unavailable"


class CommitContention(UnavailableError):
    code = "commit_contention"


class NotReady(UnavailableError):
    code = "not_ready"


class CorruptError(RecsysError):
    code = "corrupt"
