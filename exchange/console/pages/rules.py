"""The privacy officer's pages on rules: read, tried on everybody, proven, forms, activation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from exchange.app.privacy.drafting import policy_files, try_draft
from exchange.app.privacy.form_papers import form_as_pdf
from exchange.app.privacy.rulesets import read_rules
from exchange.consent.proof.cases import Case, read_cases
from exchange.consent.proof.forms import Language, read_forms
from exchange.consent.proof.invariants import read_invariants
from exchange.consent.proof.prover import prove
from exchange.consent.proof.words import sentences
from exchange.consent.rules.policies import Policy
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.effects import effects
from exchange.console.marking import _
from exchange.console.messages import Answer, Download, NotFound, Page, Unusable, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import Column, Row, table
from exchange.model.records import Files

_ROLES: tuple[Role, ...] = ("privacy-officer",)


_RULES = (
    Column("id", _("Rule"), "code", lambda row: f"/privacy/rules/{row['id']}"),
    Column("title", _("In words"), "say"),
    Column("effect", _("Effect"), "translated"),
    Column("citation", _("Law"), "say"),
    Column("begins", _("In force since"), "day"),
    Column("review_by", _("To be reviewed by"), "day"),
    Column("cases", _("Cases"), "number"),
)


def rules(desk: Desk, visit: Visit) -> Answer:
    found = desk.exchange.context.rules
    cases = _cases_of(read_rules(desk.exchange.settings))
    rows: list[Row] = [
        {
            "id": rule.policy.id, "title": rule.policy.title, "effect": rule.policy.effect,
            "citation": rule.policy.citation, "begins": rule.policy.in_force.from_,
            "review_by": rule.policy.review_by,
            "cases": len(_naming(rule.policy, cases)),
        }
        for rule in found.rules
    ]  # fmt: skip
    shown = table("rules", _RULES, rows, visit.query, shown=Speech(visit.language, desk.exchange).shown)
    return Page("officer/rules.html", {"rules": shown, "digest": found.digest})


def rule(desk: Desk, visit: Visit) -> Answer:
    found = next(
        (r.policy for r in desk.exchange.context.rules.rules if r.policy.id == visit.path["rule"]), None
    )
    if found is None:
        raise NotFound
    files = read_rules(desk.exchange.settings)
    cases = _cases_of(files)
    marked = f"id: {found.id}\n"
    place = next(
        (
            (name, text.count("\n", 0, text.index(marked)) + 1)
            for name, text in files.items()
            if name.startswith("policies/") and marked in text
        ),
        ("", 0),
    )
    when, *unless = conditions_of(found)
    consent = unless.pop() if found.consent else []
    conditions = {"when": when, "unless": unless, "consent": consent}
    return Page(
        "officer/rule.html",
        {"rule": found, "place": place, "cases": _naming(found, cases), **conditions},
    )


def _naming(rule: Policy, cases: Sequence[Case]) -> list[Case]:
    """Cases that name the rule as a reason; of one that adds duties, those that name a duty of it."""
    duties = set(rule.obligations) if rule.effect == "obligation" else set()
    return [case for case in cases if rule.id in case.because or duties & set(case.obligations)]


def _cases_of(files: Files) -> tuple[Case, ...]:
    """Read once as long as the files say the same."""
    return _parsed(tuple(sorted((name, text) for name, text in files.items() if name.startswith("cases/"))))


@lru_cache(maxsize=2)
def _parsed(files: tuple[tuple[str, str], ...]) -> tuple[Case, ...]:
    return tuple(read_cases(dict(files))[1])


def conditions_of(policy: Policy) -> list[list[tuple[str, str]]]:
    """`when`, each `unless`, and the consent that opens it if one does: what is asked, and which values."""
    return [_written(model) for model in (policy.when, *policy.unless, policy.consent) if model is not None]


def _written(model: object) -> list[tuple[str, str]]:
    """What a condition asks, a line each: where, and which values."""
    found: list[tuple[str, str]] = []
    dumped = model.model_dump(exclude_defaults=True, mode="json")  # type: ignore[attr-defined]

    def walk(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{prefix} {key}".strip(), item)
        else:
            words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            found.append((prefix.replace("_", " "), words))

    walk("", dumped)
    return found


def drafts(desk: Desk, visit: Visit) -> Answer:
    files = policy_files(desk.exchange)
    name = visit.form.get("file", "") or visit.query.get("file", "")
    if name and name not in files:
        raise NotFound
    return Page(
        "officer/draft.html",
        {
            "files": sorted(files),
            "name": name,
            "text": visit.form.get("text", files.get(name, "")),
            "tested": None,
        },
    )


def test_draft(desk: Desk, visit: Visit) -> Answer:
    name, text = visit.form.get("file", ""), visit.form.get("text", "")
    if not text.strip():
        raise Unusable(_("The draft is empty."), "text")
    tested, said = try_draft(desk.exchange, name, text), Speech(visit.language, desk.exchange)
    values = {"files": sorted(policy_files(desk.exchange)), "name": name, "text": text, "tested": tested}
    values |= {"effects": effects(tested.simulated, visit.form, said) if tested.simulated else None}
    return Page("officer/draft.html", values)


def promises(desk: Desk, visit: Visit) -> Answer:
    compiled = desk.exchange.context.rules
    written = read_invariants(read_rules(desk.exchange.settings), compiled.vocabulary)
    return Page("officer/promises.html", {"promises": [(one, None, ()) for one in written], "proved": False})


def prove_promises(desk: Desk, visit: Visit) -> Answer:
    compiled = desk.exchange.context.rules
    written = read_invariants(read_rules(desk.exchange.settings), compiled.vocabulary)
    say = Speech(visit.language, desk.exchange).say
    found = [
        (one.written, one, sentences(one.counterexample, compiled, say) if one.counterexample else ())
        for one in prove(written, compiled, datetime.now(UTC))
    ]
    return Page("officer/promises.html", {"promises": found, "proved": True})


def forms(desk: Desk, visit: Visit) -> Answer:
    return Page("officer/forms.html", {"forms": read_forms(read_rules(desk.exchange.settings))})


def form(desk: Desk, visit: Visit) -> Answer:
    found = read_forms(read_rules(desk.exchange.settings)).get(visit.path["form"])
    if found is None:
        raise NotFound
    language = _LANGUAGES.get(visit.query.get("language", ""))
    if language:
        content = form_as_pdf(found, language, visit.at)
        return Download(f"form-{found.form}-{language}.pdf", "application/pdf", content)
    return Page("officer/form.html", {"form": found})


_LANGUAGES: Mapping[str, Language] = {"en": "en", "es": "es", "uk": "uk"}


PLACES = (
    Place("/privacy/rules", rules, _ROLES),
    Place("/privacy/rules/{rule}", rule, _ROLES),
    Place("/privacy/drafts", drafts, _ROLES),
    Place("/privacy/drafts", test_draft, _ROLES, "POST", form=drafts),
    Place("/privacy/promises", promises, _ROLES),
    Place("/privacy/promises", prove_promises, _ROLES, "POST"),
    Place("/privacy/forms", forms, _ROLES),
    Place("/privacy/forms/{form}", form, _ROLES),
)
