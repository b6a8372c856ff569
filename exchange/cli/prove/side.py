"""One of two FHIR servers that are asked the same, byte for byte as a client sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import sleep
from urllib.parse import urlencode, urlsplit

import orjson

from exchange.app.prove.asking import MADE, NOBODY, Request
from exchange.app.prove.comparing import Answer
from exchange.cli.prove.exported import files_listed, name_of_made, place_of_status, without_names
from exchange.model.errors import ContentError, PartnerUnavailable

_BY_THEMSELVES = frozenset({"date", "x-request-id"})
_BASE, _ORIGIN = "{base}", "{origin}"
_JSON, _FORM = "application/fhir+json", "application/x-www-form-urlencoded"
_SECONDS = 60
_POLLS, _PAUSE = 1200, 0.5
_NOT_YET = (202, 429)

Ask = Callable[[], Answer]


def polled(ask: Ask) -> list[Answer]:
    """The status of an export that another works on, asked for every half second until it is done.

    Raises PartnerUnavailable after ten minutes: nobody can say of files he did not see that they are alike.
    """
    for _ in range(_POLLS):
        answer = ask()
        if answer.status not in _NOT_YET:
            return [answer]
        sleep(_PAUSE)
    raise PartnerUnavailable("an export of a FHIR server was not done within ten minutes")


@dataclass(frozen=True, slots=True)
class Side:
    """A server by its open connection; `base` is the URL it gives itself, `path` the one it answers at.

    `token` gives an access token that is good for the next request; `finished` asks for the status of an
    export until that is done, and gives the answers that are to be compared.
    """

    connection: HTTPConnection
    base: str
    path: str
    token: Callable[[], str]
    finished: Callable[[Ask], list[Answer]] = polled

    def ask(self, request: Request) -> list[Answer]:
        """The answer and those of the pages or files after it, with the server's own base taken out."""
        query = urlencode(request.parameters)
        if request.then:
            return self._story(request)
        formed = bool(request.body) or (request.method == "POST" and not request.asynchronous)
        form = (request.body or query).encode() if formed else None
        target = request.path if form is not None or not query else f"{request.path}?{query}"
        answers = [self._send(request, request.method, target, form)]
        while len(answers) < request.pages and (following := _next(answers[-1])):
            answers.append(self._send(request, "GET", following, None))
        place = place_of_status(answers[-1]) if request.asynchronous else None
        return self._export(request, answers, place) if place else answers

    def _story(self, request: Request) -> list[Answer]:
        """The first and what follows it, with the name of what it made taken out."""
        answers = self.ask(replace(request, then=()))
        made = name_of_made(answers[0])
        for one in request.then:
            path, body = (text.replace(MADE, made or NOBODY) for text in (one.path, one.body))
            answers += self.ask(replace(one, path=path, body=body))
        return [without_names(answer, made, []) if made else answer for answer in answers]

    def _export(self, request: Request, begun: list[Answer], place: str) -> list[Answer]:
        """Status, manifest and files; what the server called them is taken out. Then the export is ended."""

        def get(url: str, method: str = "GET") -> Answer:
            return self._send(request, method, url.removeprefix(f"{_BASE}/"), None)

        answers = [*begun, *self.finished(lambda: get(place))]
        files = files_listed(answers[-1])
        answers += [get(url) for url in files if url.startswith(f"{_BASE}/")]
        return [without_names(answer, place, files) for answer in (*answers, get(place, "DELETE"))]

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
        answer, body = self._answered(method, f"{self.path}/{target}", form, headers)
        found = {name.lower(): self._own_out(value) for name, value in answer.getheaders()}
        kept = {name: value for name, value in found.items() if name not in _BY_THEMSELVES}
        if self._origin.encode() in body:  # also of the token endpoint, which is beside the base
            body = body.replace(self.base.encode(), _BASE.encode()).replace(
                self._origin.encode(), _ORIGIN.encode()
            )
            kept.pop("content-length", None)
        return Answer(answer.status, tuple(sorted(kept.items())), body)

    def _answered(
        self, method: str, target: str, form: bytes | None, headers: dict[str, str]
    ) -> tuple[HTTPResponse, bytes]:
        """Once more on a new connection, where the server had closed the one left open too long."""
        for again in (True, False):
            try:
                self.connection.request(method, target, form, headers)
                answer = self.connection.getresponse()
                return answer, answer.read()
            except (HTTPException, OSError) as error:
                self.connection.close()
                if not (again and isinstance(error, ConnectionError)):
                    name = type(error).__name__
                    raise PartnerUnavailable(f"a FHIR server did not answer ({name})") from None
        raise PartnerUnavailable("a FHIR server did not answer")

    @property
    def _origin(self) -> str:
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc}"

    def _own_out(self, text: str) -> str:
        return text.replace(self.base, _BASE).replace(self._origin, _ORIGIN)


def _next(answer: Answer) -> str | None:
    """Path and query of the next page below the base."""
    if answer.status != 200:
        return None
    try:
        links = orjson.loads(answer.body).get("link", ())
    except orjson.JSONDecodeError:
        return None
    urls = [str(link["url"]) for link in links if link.get("relation") == "next"]
    if not urls or not urls[0].startswith((f"{_BASE}/", f"{_BASE}?")):
        return None
    return urls[0].removeprefix(_BASE).removeprefix("/")


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
