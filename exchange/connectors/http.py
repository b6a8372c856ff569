"""HTTP to partners: the only importer of `requests`.

Everything here tries again with growing, jittered waits as long as trying can help, keeps to
`Retry-After`, follows no redirects, reads no more than agreed, and never puts a URL, a header or a body
into a message: partners put patients' data into all of them.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

import requests

from exchange.connectors.options import HttpOptions
from exchange.connectors.token import TokenSource
from exchange.model.errors import PartnerRefused, PartnerUnavailable

log = logging.getLogger(__name__)
# What urllib3 reports below warnings are URLs, and a partner's link may hold a patient's name.
logging.getLogger("urllib3").setLevel(logging.WARNING)
T = TypeVar("T")
Opts = TypeVar("Opts", bound=HttpOptions)

_FIRST_WAIT_SECONDS = 0.5
_COME_BACK = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_ASKED_SECONDS = 86_400.0  # nobody puts us off for longer than a day
_BLOCK = 1 << 18
USER_AGENT = "mosaic-exchange"


class Incomplete(Exception):
    """A signal to ask again: the body is cut off or not what the protocol promises."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """`what` names the request in messages in place of its URL."""

    what: str
    url: str
    headers: Mapping[str, str]
    accepts: Collection[int] = frozenset({200})
    method: str = "GET"
    form: Mapping[str, str] | None = None
    body: bytes | None = None
    authorized: bool = True


@dataclass(frozen=True, slots=True)
class Service(Generic[Opts]):
    """One partner's HTTP service: a session, its credentials and how patient to be."""

    partner: str
    options: Opts
    session: requests.Session
    tokens: TokenSource | None

    def read(self, request: Request, check: Callable[[Answer], T]) -> T:
        """What `check` makes of the answer; `check` raises Incomplete to have it asked again."""
        return self.send(request, lambda response: check(self._whole(response, request)))

    def send(self, request: Request, take: Callable[[requests.Response], T]) -> T:
        """What `take` makes of an accepted answer; raises PartnerUnavailable or PartnerRefused."""
        options, problem, renewed = self.options, "", False
        for attempt in range(options.attempts):
            wait = _backoff(attempt, options.longest_wait_seconds)
            try:
                response = self._ask(request)
                if response.status_code in request.accepts:
                    return take(response)
                response.close()
                if response.status_code == 401 and self.tokens and request.authorized and not renewed:
                    self.tokens.forget()
                    renewed, problem = True, "answered 401"
                    continue
                wait = self._wait_asked_for(request, response) or wait
                problem = f"answered {response.status_code}"
            except Incomplete as reason:
                problem = str(reason) or "broke off in the middle of an answer"
            except requests.RequestException as failure:
                problem = _failure(failure)
            if attempt + 1 < options.attempts:
                log.info("%s: %s %s; next try in %.1f s", self.partner, request.what, problem, wait)
                time.sleep(wait)
        raise PartnerUnavailable(f"{self.partner}: {request.what} {problem}, {options.attempts} times")

    def _ask(self, request: Request) -> requests.Response:
        token = self._authorization(request)

        def authorize(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
            if token:
                prepared.headers["Authorization"] = token
            return prepared

        # An `auth` of our own also keeps requests from taking credentials out of a .netrc file.
        return self.session.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            data=request.form if request.body is None else request.body,
            auth=authorize,
            timeout=self.options.timeout_seconds,
            allow_redirects=False,
            stream=True,
        )

    def _authorization(self, request: Request) -> str | None:
        if not request.authorized:
            return None
        if self.tokens:
            return f"Bearer {self.tokens.token(self._fetch_token)}"
        bearer = self.options.bearer
        return f"Bearer {bearer.get_secret_value()}" if bearer else None

    def _fetch_token(self, url: str, form: Mapping[str, str]) -> bytes:
        accept = {"Accept": "application/json"}
        request = Request("the token endpoint", url, accept, method="POST", form=form, authorized=False)
        return self.read(request, lambda answer: answer.body)

    def _whole(self, response: requests.Response, request: Request) -> Answer:
        body, limit = bytearray(), self.options.largest_answer_mb << 20
        with response:
            for block in response.iter_content(_BLOCK):
                body += block
                if len(body) > limit:
                    raise PartnerRefused(
                        f"{self.partner}: {request.what} answered more than {self.options.largest_answer_mb}"
                        " MB; ask for smaller pages or raise `largest_answer_mb`"
                    )
        return Answer(response.status_code, lowered(response), bytes(body))

    def _wait_asked_for(self, request: Request, response: requests.Response) -> float | None:
        """Seconds the server asks for, if that is within our patience; raises when trying is no use."""
        status = response.status_code
        if status not in _COME_BACK:
            raise PartnerRefused(f"{self.partner}: {request.what} answered {status}{_ADVICE.get(status, '')}")
        wait = retry_after(lowered(response))
        if wait is not None and wait > self.options.longest_wait_seconds:
            raise PartnerUnavailable(
                f"{self.partner}: {request.what} answered {status} and asks to come back in {wait:.0f} s",
                retry_after=wait,
            )
        return wait


_ADVICE = {
    301: "; redirects are not followed, set `url` to where it leads",
    302: "; redirects are not followed, set `url` to where it leads",
    307: "; redirects are not followed, set `url` to where it leads",
    308: "; redirects are not followed, set `url` to where it leads",
    400: "; the partner does not take the request as it is",
    401: "; the credentials are not accepted, ask the partner",
    403: "; the credentials do not reach this data, ask the partner",
    404: "; check `url`",
}


@contextmanager
def open_service(
    partner: str, options: Opts, session: requests.Session | None = None
) -> Iterator[Service[Opts]]:
    """A Service whose connections are closed at the end."""
    with session or requests.Session() as session:
        session.headers["User-Agent"] = USER_AGENT
        yield Service(
            partner, options, session, TokenSource(partner, options.token) if options.token else None
        )


def follow(service: Service[Opts], current: str, link: str, hosts: Collection[str] = ()) -> str:
    """The absolute address of a link the server gave; raises PartnerRefused if it leads elsewhere."""
    url = urljoin(current, link)
    if not any(is_within(base, url) for base in (service.options.url, *hosts)):
        raise PartnerRefused(
            f"{service.partner}: the server links to an address outside `url`; it is not followed"
        )
    return url


def is_within(base: str, url: str) -> bool:
    """Whether `url` is `base` or below it: same scheme, host and port, no way up and out.

    >>> is_within("https://a.example/fhir", "https://a.example/fhir/Patient?x=1")
    True
    >>> is_within("https://a.example/fhir", "https://a.example/fhir/../admin")
    False
    >>> is_within("https://a.example/fhir", "https://a.example@evil.example/fhir/Patient")
    False
    """
    try:
        own, other = urlsplit(base), urlsplit(url)
        same = (own.scheme, own.hostname, _port(own.scheme, own.port)) == (
            other.scheme,
            other.hostname,
            _port(other.scheme, other.port),
        )
    except ValueError:
        return False
    path, root = unquote(other.path), own.path.rstrip("/")
    below = path == root or path.startswith(f"{root}/")
    odd = "\\" in url or "@" in other.netloc or ".." in path.split("/")
    return same and below and not odd


def _port(scheme: str, port: int | None) -> int | None:
    return port or {"http": 80, "https": 443}.get(scheme)


def lowered(response: requests.Response) -> dict[str, str]:
    """The headers by lower-case name."""
    return {name.lower(): value for name, value in response.headers.items()}


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """The server's own clock, from its `Date` header."""
    try:
        moment = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the server asks, a day at most; a date is read against the server's own clock.

    >>> retry_after({"retry-after": "3"})
    3.0
    >>> retry_after({"retry-after": "Mon, 23 Nov 2026 09:00:05 GMT", "date": "Mon, 23 Nov 2026 09:00:00 GMT"})
    5.0
    >>> retry_after({"retry-after": "9" * 30})
    86400.0
    """
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return min(_LONGEST_ASKED_SECONDS, float(value))
    until, now = server_time({"date": value}), server_time(headers)
    if not until or not now:
        return None
    return min(_LONGEST_ASKED_SECONDS, max(0.0, (until - now).total_seconds()))


def _backoff(attempt: int, longest: float) -> float:
    full = min(longest, _FIRST_WAIT_SECONDS * 2.0**attempt)
    return full * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def _failure(failure: requests.RequestException) -> str:
    if isinstance(failure, requests.exceptions.SSLError):
        return "could not be reached: TLS failed"
    if isinstance(failure, requests.Timeout):
        return "did not answer in time"
    if isinstance(
        failure, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError
    ):
        return "broke off in the middle of an answer"
    return "could not be reached"
