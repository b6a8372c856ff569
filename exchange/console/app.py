"""The ASGI application of the console: who is there, may they, and what leaves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders, UploadFile
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exchange.app.privacy.viewing import record_view
from exchange.console import cookies
from exchange.console.accounts import Account, session_account
from exchange.console.desk import Desk
from exchange.console.exports import taken_along
from exchange.console.given import local
from exchange.console.guesses import Busy
from exchange.console.language import preferred
from exchange.console.marking import _
from exchange.console.messages import (
    Answer,
    Download,
    Fault,
    NotFound,
    Page,
    Redirect,
    Unusable,
    Upload,
    Visit,
)
from exchange.console.pages import PLACES
from exchange.console.places import Place
from exchange.console.rendering import Renderer
from exchange.console.speech import Speech
from exchange.model.errors import ContentError, ExchangeError

_log = logging.getLogger("exchange.console")
_STATIC = Path(__file__).parent / "static"
_LARGEST_FORM = 20_000_000  # bytes, an uploaded sample among them
_LONGEST_BACK = 1_000
_OURS = 500  # from here on a status says that it is no fault of the form
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def create_console(desk: Desk) -> Starlette:
    """The console as an application, to be served behind TLS or on loopback."""
    renderer = Renderer(desk)
    by_path: dict[str, dict[str, Place]] = {}
    for place in PLACES:
        by_path.setdefault(place.path, {})[place.method] = place
    routes: list[Route | Mount] = [
        Route(path, _Door(desk, renderer, places)) for path, places in by_path.items()
    ]
    routes += [
        Mount("/static", StaticFiles(directory=_STATIC)),
        Route("/{path:path}", _Door(desk, renderer, {})),
    ]
    middleware = [Middleware(_Edge, secure=desk.secure), Middleware(GZipMiddleware, minimum_size=1_000)]
    return Starlette(routes=routes, middleware=middleware)


@dataclass(frozen=True, slots=True)
class _Edge:
    """What every answer says to the browser, pages and style sheets alike."""

    app: ASGIApp
    secure: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def leave(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                if self.secure:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await self.app(scope, receive, leave)


@dataclass(frozen=True, slots=True)
class _Door:
    """One address and the pages behind it by method; none: there is nothing."""

    desk: Desk
    renderer: Renderer
    places: Mapping[str, Place]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if not _ours(self.desk, request):
            return Response("This console has another address.", 421, media_type="text/plain")
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _LARGEST_FORM or "transfer-encoding" in request.headers:
            return Response("What was sent is too large.", 413, media_type="text/plain")
        form, files = await _form(request) if request.method == "POST" else ({}, {})
        return await run_in_threadpool(self._respond, request, form, files)

    def _respond(self, request: Request, form: Mapping[str, str], files: Mapping[str, Upload]) -> Response:
        visit = _visit(self.desk, request, form, files)
        place = self.places.get("GET" if request.method == "HEAD" else request.method)
        try:
            try:
                answer, patients_for = self._work(place, request, visit)
            except (Unusable, ExchangeError) as error:
                answer, patients_for = self._again(place, visit, error)
            if isinstance(answer, Page | Download) and answer.patients:
                record_view(self.desk.exchange, visit.person.login, visit.person.roles, patients_for,
                            request.url.path, answer.patients)  # fmt: skip
            return self._response(visit, answer)
        except NotFound:
            return self._response(visit, Page("not_found.html", status=404))
        except Busy:
            return self._response(visit, Page("busy.html", status=503))
        except (Unusable, ExchangeError) as error:
            return self._response(visit, _refusal(error))
        except Exception as error:
            _log.error("%s failed: %s", place.path if place else "nowhere", type(error).__name__)
            return self._response(visit, Page("failed.html", status=500))

    def _work(self, place: Place | None, request: Request, visit: Visit) -> tuple[Answer, str]:
        if place is None:
            return Page("not_found.html", status=405 if self.places else 404), ""
        if place.roles and visit.account is None:
            return self._asked_to_sign_in(request, visit), ""
        if place.roles and not visit.person.may(place.roles):
            return Page("forbidden.html", status=403), ""
        _readable(visit)
        if request.method == "POST" and not cookies.same(self.desk, request, visit.form.get("csrf", "")):
            return Page("expired.html", status=403), ""
        answer = place.work(self.desk, visit)
        if isinstance(answer, Page):
            said = Speech(visit.language, self.desk.exchange)
            answer = taken_along(answer, {**visit.query, **visit.form}, said)
        return answer, place.purpose

    def _again(
        self, place: Place | None, visit: Visit, error: Unusable | ExchangeError
    ) -> tuple[Answer, str]:
        """The page of the form with what was typed and why it cannot be used: nobody writes a thing twice."""
        if place is None or place.form is None or _status(error) >= _OURS or _misaddressed(visit):
            raise error
        typed = {name: text.replace("\0", "\N{REPLACEMENT CHARACTER}") for name, text in visit.form.items()}
        again = replace(visit, form=typed, fault=Fault(str(error), getattr(error, "field", "")))
        try:
            answer = place.form(self.desk, again)
        except (NotFound, ExchangeError):
            raise error from None  # what the form was about is no more
        if isinstance(answer, Page):
            answer = replace(answer, status=_status(error), values={**answer.values, "visit": again})
        return answer, self.places.get("GET", place).purpose

    def _asked_to_sign_in(self, request: Request, visit: Visit) -> Redirect:
        """With where to go on, and a word to somebody whose session is over."""
        address = request.scope["raw_path"].decode("latin-1")
        if request.method != "POST" and request.scope["query_string"]:
            address += "?" + request.scope["query_string"].decode("latin-1")
        back = address if "GET" in self.places and address != "/" and len(address) < _LONGEST_BACK else ""
        over = _("Your session is over. Sign in and go on.")
        lost = _("Your session is over: what you sent was not done. Sign in and send it again.")
        told = lost if request.method == "POST" else over
        return Redirect("/sign-in", told=told if visit.session else "", back=local(back) if back else "")

    def _response(self, visit: Visit, answer: Answer) -> Response:
        if isinstance(answer, Redirect):
            moved = RedirectResponse(answer.to, 303)
            cookies.carry(self.desk, moved, answer)
            return moved
        if isinstance(answer, Download):
            name = "".join(c if c.isalnum() or c in "-_." else "_" for c in answer.name)
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return Response(answer.content, 200, headers, answer.media)
        response = Response(self.renderer.page(visit, answer), answer.status, media_type="text/html")
        cookies.settle(self.desk, response, visit)
        return response


def _visit(desk: Desk, request: Request, form: Mapping[str, str], files: Mapping[str, Upload]) -> Visit:
    return Visit(
        account=_account(desk, request),
        path={name: str(value) for name, value in request.path_params.items()},
        query={name: value for name, value in request.query_params.items() if name != "csrf"},
        form=form,
        files=files,
        address=request.client.host if request.client else "unknown",
        language=preferred(request.cookies.get(cookies.LANGUAGE), request.headers.get("accept-language", "")),
        csrf=cookies.csrf(desk, request),
        browser=request.scope.get("exchange.browser", ""),
        session=request.cookies.get(cookies.session_name(desk), ""),
        openid=request.cookies.get(cookies.OPENID, ""),
        told=cookies.told(desk, request),
        back=unquote(request.cookies.get(cookies.BACK, "")),
        at=desk.now(),
    )


def _status(error: Unusable | ExchangeError) -> int:
    return 400 if isinstance(error, Unusable | ContentError) else error.http_status


def _refusal(error: Unusable | ExchangeError) -> Page:
    return Page("unusable.html", {"words": str(error)}, _status(error))


def _misaddressed(visit: Visit) -> bool:
    """Is it the address that cannot be read? Its page could be shown no better."""
    return any("\0" in text for fields in (visit.path, visit.query) for text in fields.values())


def _readable(visit: Visit) -> None:
    """No text has a NUL, and the database takes none."""
    for fields in (visit.path, visit.query, visit.form):
        for name, text in fields.items():
            if "\0" in text:
                raise Unusable(_("What was sent holds a sign that no text has."), name)


def _account(desk: Desk, request: Request) -> Account | None:
    token = request.cookies.get(cookies.session_name(desk))
    if not token:
        return None
    with desk.exchange.work.connect() as connection:
        found = session_account(connection, token, desk.now())
        connection.commit()
    return found


def _ours(desk: Desk, request: Request) -> bool:
    """Is it us that the browser asks? A name that somebody made point here (DNS rebinding) is not."""
    return request.headers.get("host", "") == urlsplit(desk.base_url).netloc


async def _form(request: Request) -> tuple[dict[str, str], dict[str, Upload]]:
    """The fields and the files of a form."""
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    async with request.form(max_files=5, max_fields=500) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files[name] = Upload(value.filename or "", await value.read())
            else:
                fields[name] = value
    return fields, files
