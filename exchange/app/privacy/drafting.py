"""A draft of one file of consent/: its flaws, its cases, and what it would change for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from exchange.app.opening import Exchange
from exchange.app.privacy.rulesets import read_rules
from exchange.app.privacy.simulating import Simulated, simulate
from exchange.consent import parse_rules
from exchange.consent.proof.checks import Flaw, check
from exchange.consent.proof.report import Report, prove
from exchange.model.errors import ContentError
from exchange.model.records import Files


@dataclass(frozen=True, slots=True)
class Tested:
    """`simulated` is None while the draft has flaws that keep it from being read."""

    flaws: list[Flaw]
    cases: Report | None
    simulated: Simulated | None


def policy_files(exchange: Exchange) -> Files:
    """The files a privacy officer edits, by path in consent/."""
    files = read_rules(exchange.settings)
    return {name: text for name, text in files.items() if name.startswith(("policies/", "labels/"))}


def try_draft(exchange: Exchange, name: str, text: str) -> Tested:
    """The rules of the folder with one file replaced; writes nothing. ContentError for no such file."""
    files = read_rules(exchange.settings)
    if name not in policy_files(exchange):
        raise ContentError("no such file of rules", file=f"consent/{name}")
    draft = {**files, name: text.replace("\r\n", "\n")}
    flaws = check(draft, exchange.work.now().date())
    try:
        cases = _proved(tuple(sorted(draft.items())))
    except ContentError:
        return Tested(flaws, None, None)
    return Tested(flaws, cases, simulate(exchange, draft, None))


@lru_cache(maxsize=2)
def _proved(files: tuple[tuple[str, str], ...]) -> Report:
    """Kept, as it takes seconds: whoever sorts what a draft changes does not wait for it again."""
    return prove(dict(files), parse_rules(dict(files)))
