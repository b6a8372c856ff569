"""One of two FHIR servers that are asked the same, byte for byte as a client sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlencode, urlsplit

import orjson

from exchange.app.prove.asking import Request
from exchange.app.prove.comparing import Answer
from exchange.model.errors import ContentError, PartnerUnavailable

_BY_THEMSELVES = frozenset({"date", "x-request-id"})
_BASE, _ORIGIN = b"{base}", b"{origin}"
_JSON, _FORM = "application/fhir+json", "application/x-www-form-urlencoded"
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Side:
    """A server by its open connection; `base` is the URL it gives itself, `path` the one it answers at.

    `token` gives an access token that is good for the next request.
    """

    connection: HTTPConnection
    base: str
    path: str
    token: Callable[[], str]

    def ask(self, request: Request) -> list[Answer]:
        """The answer and those of the pages after it, with the server's own base taken out."""
        query = urlencode(request.parameters)
        form = (request.body or query).encode() if request.method == "POST" else None
        target = request.path if form is not None or not query else f"{request.path}?{query}"
        answers = [self._send(request, request.method, target, form)]
        while len(answers) < request.pages and (following := _next(answers[-1])):
            answers.append(self._send(request, "GET", following, None))
        return answers

    def _send(self, request: Request, method: str, target: str, form: bytes | None) -> Answer:
        headers = {
            "Authorization": f"Bearer {self.token()}",
            "Accept": "application/fhir+json",
            "Accept-Encoding": "identity",
            "X-Request-Id": "prove",
            **dict(request.headers),
        }
        if form is not None:
            headers["Content-Type"] = _JSON if request.body else _FORM
        try:
            self.connection.request(method, f"{self.path}/{target}", form, headers)
            answer = self.connection.getresponse()
            body = answer.read()
        except (HTTPException, OSError) as error:
            self.connection.close()
            raise PartnerUnavailable(f"a FHIR server did not answer ({type(error).__name__})") from None
        found = {name.lower(): value for name, value in answer.getheaders()}
        kept = {name: value for name, value in found.items() if name not in _BY_THEMSELVES}
        parts = urlsplit(self.base)
        origin = f"{parts.scheme}://{parts.netloc}".encode()
        if origin in body:  # also of the token endpoint, which is beside the base
            body = body.replace(self.base.encode(), _BASE).replace(origin, _ORIGIN)
            kept.pop("content-length", None)
        return Answer(answer.status, tuple(sorted(kept.items())), body)


def _next(answer: Answer) -> str | None:
    """Path and query of the next page below the base."""
    if answer.status != 200:
        return None
    try:
        links = orjson.loads(answer.body).get("link", ())
    except orjson.JSONDecodeError:
        return None
    urls = [link["url"] for link in links if link.get("relation") == "next"]
    prefix = f"{_BASE.decode()}/"
    return urls[0].removeprefix(prefix) if urls and urls[0].startswith(prefix) else None


@contextmanager
def opened(url: str, token: Callable[[], str], base: str | None = None) -> Iterator[Side]:
    """The server at a base URL; raises ContentError for what is none."""
    parts = urlsplit(url.rstrip("/"))
    kinds = {"http": HTTPConnection, "https": HTTPSConnection}
    if parts.scheme not in kinds or not parts.hostname:
        raise ContentError("is not the base URL of a FHIR server", field=url, valid=("https://host/fhir",))
    connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=_SECONDS)
    try:
        yield Side(connection, base or url.rstrip("/"), parts.path, token)
    finally:
        connection.close()
