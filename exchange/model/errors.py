"""Errors grouped by what the reader of the error should do next.

::

    ExchangeError
    ├── ContentError         fix the file named: file, line, field, valid values
    ├── PartnerUnavailable   retry with back-off
    ├── PartnerRefused       a person must act (401, 403, expired agreement)
    ├── RecordRejected       quarantine this record, go on with the others
    ├── Denied               nothing: it is an answer
    ├── DecisionFailed       deny, and tell the privacy officer
    └── Conflict             re-read, retry once
        └── Taken            wait until another process has done its work

No message may carry a patient's data: resource types, expressions and positions only.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar, Literal

Retry = Literal["fail", "retry", "continue"]


class ExchangeError(Exception):
    """Knows its Airflow action, HTTP status and FHIR issue type (http://hl7.org/fhir/issue-type)."""

    retry: ClassVar[Retry] = "fail"
    http_status: ClassVar[int] = 500
    issue_code: ClassVar[str] = "exception"


class ContentError(ExchangeError):
    """A file of `mappings/` or `consent/` is wrong; names the file, the line and the field."""

    issue_code = "invalid"

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int | None = None,
        field: str = "",
        valid: Iterable[str] = (),
        given: str = "",
    ) -> None:
        """`given`: what stands where one of `valid` should; the last part of the field when not said."""
        self.file, self.line, self.field, self.valid = file, line, field, tuple(sorted(valid))
        where = f"{file}:{line}" if line else file
        self.words = message
        if self.valid:
            near = get_close_matches(given or field.rsplit(".", 1)[-1], self.valid, n=1)
            self.words += f" (did you mean `{near[0]}`?)" if near else ""
            self.words += f"; valid here: {', '.join(self.valid)}"
        super().__init__(
            ": ".join(part for part in (where, f"`{field}`" if field else "", self.words) if part)
        )


class PartnerUnavailable(ExchangeError):
    """The partner's system did not answer or said to come back later."""

    retry = "retry"
    http_status = 503
    issue_code = "transient"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class PartnerRefused(ExchangeError):
    """The partner's system said no; trying again will not help."""

    http_status = 502
    issue_code = "forbidden"


class RecordRejected(ExchangeError):
    """One record cannot be used; `code` is a FHIR issue type, `expression` names the element."""

    retry = "continue"
    http_status = 422
    issue_code = "invalid"

    def __init__(
        self, message: str, *, code: str = "invalid", expression: str = "", position: str = ""
    ) -> None:
        self.code, self.expression, self.position = code, expression, position
        super().__init__(message)


class Denied(ExchangeError):
    """The requester may not have this; what he is told never depends on what is hidden."""

    http_status = 403
    issue_code = "forbidden"


class DecisionFailed(ExchangeError):
    """A rule could not be evaluated, so the answer is deny."""

    http_status = 403


class Conflict(ExchangeError):
    """Somebody else changed it first."""

    retry = "retry"
    http_status = 409
    issue_code = "conflict"


class Taken(Conflict):
    """Another process is at it now."""
