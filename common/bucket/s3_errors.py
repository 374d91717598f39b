"""The S3 client's exceptions, translated into the errors of the port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from common.errors import BucketUnavailable, RecsysError, SettingError

_DENIED = "RECSYS_S3_ACCESS_KEY may not do this in RECSYS_BUCKET"
_SETTING_OF_CODE = {
    "NoSuchBucket": "RECSYS_BUCKET names a bucket that does not exist",
    "InvalidBucketName": "RECSYS_BUCKET is not a bucket name",
    "InvalidAccessKeyId": "RECSYS_S3_ACCESS_KEY is not known to the object store",
    "SignatureDoesNotMatch": "RECSYS_S3_SECRET_KEY does not fit RECSYS_S3_ACCESS_KEY",
    "AccessDenied": _DENIED,
    "AuthorizationHeaderMalformed": "RECSYS_S3_REGION is not the region that the object store expects",
    "PermanentRedirect": "RECSYS_S3_ENDPOINT or RECSYS_S3_REGION is not where RECSYS_BUCKET lies",
    "RequestTimeTooSkewed": "the clock of this machine is wrong: the object store refuses its signatures",
}
_TRY_AGAIN = {408, 425, 429}


def is_absent(error: ClientError) -> bool:
    return _status(error) == 404 and _code(error) != "NoSuchBucket"


def is_conflict(error: ClientError, expect: str | None) -> bool:
    """Whether a conditional PUT was refused for its condition.

    That is a 412, a 409 (another conditional write of the key is under way), or a 404 if `expect` is an ETag.
    """
    if _status(error) == 404:
        return expect is not None and _code(error) != "NoSuchBucket"
    return _status(error) == 412 or _code(error) == "ConditionalRequestConflict"


def is_not_built(error: ClientError) -> bool:
    """Whether the store does not have the operation at all."""
    return _status(error) in (405, 501) or _code(error) == "NotImplemented"


@contextmanager
def translated(action: str, key: str) -> Iterator[None]:
    """Turns botocore's exceptions into `BucketUnavailable` or `SettingError`."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, action, key) from error
    except BotoCoreError as error:
        raise BucketUnavailable(f"cannot {action} {key}: {error}", key=key) from error
    except (ResponseParserError, KeyError, ValueError) as error:
        # A gateway's page, half of a list, an object without an ETag or a time.
        raise BucketUnavailable(
            f"cannot {action} {key}: the answer is not that of an object store ({type(error).__name__}: {error})",
            key=key,
        ) from error


def _of_answer(error: ClientError, action: str, key: str) -> RecsysError:
    status, code = _status(error), _code(error)
    if status >= 500 or status in _TRY_AGAIN:
        return BucketUnavailable(f"cannot {action} {key}: the object store answered {status} {code}", key=key)
    unknown = _DENIED if status in (401, 403) else "the object store refuses the request"
    problem = _SETTING_OF_CODE.get(code, unknown)
    return SettingError(f"cannot {action} {key}: {problem} ({status} {code})", key=key)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
