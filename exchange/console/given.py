"""What addresses, forms and accounts give, made sure of: a number, an id, a reason, an organization."""

from __future__ import annotations

from uuid import UUID

from exchange.console.desk import Desk
from exchange.console.marking import _
from exchange.console.messages import NotFound, Unusable, Visit
from exchange.model.partner import Partner

_DIGITS = 15
_LETTERS = 500


def whole(text: str) -> int:
    """A whole number of an address; of anything else there is no page.

    >>> whole("12")
    12
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS:
        raise NotFound
    return int(text)


def uuid_of(text: str) -> str:
    """An id of an address in its one form."""
    try:
        return str(UUID(text))
    except ValueError:
        raise NotFound from None


def reason_of(visit: Visit) -> str:
    """Why somebody decides so; cut to 500 letters. Raises Unusable where nothing is said."""
    reason = visit.form.get("reason", "").strip()
    if not reason:
        raise Unusable(_("A decision needs its reason."), "reason")
    return reason[:_LETTERS]


REASON = ("code", "expression", "detail")


def reason_asked(visit: Visit) -> tuple[str, str, str]:
    """Why records wait, as an address names it."""
    code, expression, detail = (visit.query.get(name, "") for name in REASON)
    return code, expression, detail


def own_of(desk: Desk, visit: Visit) -> Partner:
    """The organization whose people's account asks; an account of none finds no such page."""
    found = desk.exchange.partners.get(visit.person.participant or "")
    if found is None:
        raise NotFound
    return found


def decided_ones(visit: Visit) -> bool:
    """Whether those asked for that are decided, and not those that wait."""
    return visit.query.get("show") == "decided"


def local(path: str) -> str:
    r"""An address of this console to go back to; the start for what a browser may take for another site.

    Browsers leave out tabs and line ends and take a backslash for a slash: https://url.spec.whatwg.org/#url-parsing

    >>> local("/privacy?x=1"), local("//evil.example"), local("/\\evil.example"), local("/\t/evil.example")
    ('/privacy?x=1', '/', '/', '/')
    """
    plain = path.isascii() and path.isprintable() and "\\" not in path and " " not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"
