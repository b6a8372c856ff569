"""`consent/cases/tables.yaml`: the whole answer about one record, and not one request of it.

A table says everything that everybody gets; what is not in it is denied. An opening says which kinds of
consent open one request, and what each must be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Literal

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.content import Content, load
from exchange.consent.decision import applying, decide
from exchange.consent.participants import Participant
from exchange.consent.proof.case_consents import ConsentForm, Terms
from exchange.consent.proof.cases import TABLES, CaseRecord, Failure, disclosure_class, moment
from exchange.consent.rules.gates import nameless
from exchange.consent.standing import REPOSITORY
from exchange.model.errors import ContentError
from exchange.model.records import Files, Viewer

KINDS = ("general", "authorization", "part2", "hmis", "research", "victim-services", "unclassified", "notice")
Action = Literal["access", "disclose", "collect"]
Demand = Literal["named", "by-name", "written", "ends", "own"]
DEMANDS: tuple[Demand, ...] = ("named", "by-name", "written", "ends", "own")
HOW: tuple[Action, ...] = ("access", "disclose")
AT = "2026-06-01"
Right = tuple[bool, frozenset[str]]


class Row(Content):
    """`who` gets it for each purpose in `why`; both may name a list, `source` is who sent the record."""

    who: tuple[str, ...]
    why: tuple[str, ...]
    how: tuple[Action, ...] = ("access", "disclose")
    relationship: bool = False
    obligations: tuple[str, ...] = ()


class Table(Content):
    """What everybody gets of a record while nobody has said anything, and whether the exchange may hold it.

    `gets` names lists of rows; a later row takes the place of an earlier one.
    """

    table: str
    record: CaseRecord
    held: bool = True
    gets: tuple[str, ...] = ()


class Opening(Content):
    """Which `kinds` of consent let `who` have it for `why`, what each of them must be, and what comes along.

    `law` says where that is written; `beside` has been given anyway.
    """

    opening: str
    record: CaseRecord
    who: str
    why: str
    law: str
    how: tuple[Action, ...] = HOW
    kinds: tuple[str, ...] = ()
    must: tuple[Demand, ...] = ()
    beside: tuple[ConsentForm, ...] = ()
    relationship: bool = False
    obligations: tuple[str, ...] = ()


class TableFile(Content):
    """`people`, `purposes` and `rights` give lists a name, so that a change of law is written once."""

    people: dict[str, tuple[str, ...]]
    purposes: dict[str, tuple[str, ...]]
    rights: dict[str, tuple[Row, ...]]
    tables: tuple[Table, ...]
    openings: tuple[Opening, ...] = ()


def read_tables(files: Files, context: Context) -> TableFile:
    """The file, with every name in it known. Raises ContentError."""
    if TABLES not in files:
        return TableFile(people={}, purposes={}, rights={}, tables=())
    read, _ = load(TableFile, TABLES, files[TABLES])
    rows = [row for rights in read.rights.values() for row in rights]
    _known("who", [who for row in rows for who in row.who], {*read.people, *context.participants, "source"})
    _known("people", [who for names in read.people.values() for who in names], context.participants)
    purposes = context.rules.vocabulary.granted
    _known("why", [why for row in rows for why in row.why], {*read.purposes, *purposes})
    _known("purposes", [why for names in read.purposes.values() for why in names], purposes)
    _known("gets", [name for table in read.tables for name in table.gets], read.rights)
    _known("kinds", [kind for opening in read.openings for kind in opening.kinds], KINDS)
    return read


def _known(field: str, words: list[str], valid: Mapping[str, object] | set[str] | tuple[str, ...]) -> None:
    for word in words:
        if word not in valid:
            raise ContentError("unknown word", file=TABLES, field=f"{field}.{word}", valid=sorted(valid))


def names(file: TableFile) -> list[str]:
    """What each is called."""
    return [*(table.table for table in file.tables), *(opening.opening for opening in file.openings)]


@dataclass(frozen=True, slots=True)
class Question:
    """One request a table or an opening answers. `wanted`: what comes along, None for a denial; or only
    whether it is permitted.
    """

    name: str
    about: str
    cls: DisclosureClass
    viewer: Viewer
    how: Action
    wanted: Right | bool | None


def questions(file: TableFile, context: Context) -> Iterator[Question]:
    """All that the file says, request by request; requesters whom rules cannot tell apart ask once."""
    for table in file.tables:
        yield from _of_table(table, file, context)
    for opening in file.openings:
        yield from _of_opening(opening)


def run_tables(asked: Iterable[Question], context: Context) -> Iterator[Failure]:
    """What is not answered as written: for each table or opening the first, and how many more."""
    found: dict[str, list[str]] = {}
    for question in asked:
        if problem := wrong(question, context):
            found.setdefault(question.name, []).append(f"{question.about}: {problem}")
    for name, problems in found.items():
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        yield Failure(name, problems[0] + more)


def wrong(question: Question, context: Context) -> str | None:
    """How the answer differs from what is written."""
    given = decide(question.cls, question.viewer, context, moment(AT), question.how)
    permitted = given.effect == "permit"
    right = (given.needs_relationship, given.obligations) if permitted else None
    if (permitted if isinstance(question.wanted, bool) else right) == question.wanted:
        return None
    return f"expected {_said(question.wanted)}, got {_said(right)} because of {', '.join(given.because)}"


def spoken_of(question: Question, context: Context) -> set[str]:
    """The rules that speak of it."""
    return applying(question.cls, question.viewer, context, moment(AT), question.how)


def _said(right: Right | bool | None) -> str:
    if isinstance(right, bool) or right is None:
        return "permit" if right else "deny"
    related, obligations = right
    along = [*(["relationship"] if related else []), *sorted(obligations)]
    return f"permit ({', '.join(along)})" if along else "permit"


def needless(file: TableFile) -> Iterator[str]:
    """Rights a table names that give nobody anything more."""
    for table in file.tables:
        whole = _expected(table.gets, table, file)
        for name in table.gets:
            if _expected([other for other in table.gets if other != name], table, file) == whole:
                yield f"{table.table}: {name}"


def _of_table(table: Table, file: TableFile, context: Context) -> Iterator[Question]:
    cls = disclosure_class(table.record, ())
    expected = _expected(table.gets, table, file)
    seen: set[object] = set()
    for (who, facts), (why, alike), how in product(_who(context), _why(context), HOW):
        wanted = expected.get((who, why, how))
        key = (facts, who == table.record.source, alike, how, wanted)
        if key not in seen:
            seen.add(key)
            viewer = Viewer(who, "organization", why)
            yield Question(table.table, f"{who}, {why}, {how}", cls, viewer, how, wanted)
    held = (False, frozenset[str]()) if table.held else None
    yield Question(table.table, "may be held", cls, REPOSITORY, "collect", held)


def _who(context: Context) -> list[tuple[str, Participant]]:
    """Everybody, and what rules may ask of him."""
    return [(code, nameless(facts)) for code, facts in context.participants.items()]


def _why(context: Context) -> list[tuple[str, frozenset[str]]]:
    """Every purpose of the vocabulary, and those that rules name which it lies within."""
    words, rules = context.rules.vocabulary, context.rules.rules
    conditions = [c for rule in rules for c in (rule.policy.when, *rule.policy.unless)]
    named = {*words.file.emergency_purposes, *(why for c in conditions for why in c.purpose)}
    every = [why for why in words.granted if why != REPOSITORY.purpose]
    return [(why, frozenset(broad for broad in named if why in words.granted[broad])) for why in every]


def _expected(gets: Iterable[str], table: Table, file: TableFile) -> dict[tuple[str, str, Action], Right]:
    found: dict[tuple[str, str, Action], Right] = {}
    for row in (row for name in gets for row in file.rights[name]):
        people = _each(row.who, {**file.people, "source": (table.record.source,)})
        for asked in product(people, _each(row.why, file.purposes), row.how):
            found[asked] = (row.relationship, frozenset(row.obligations))
    return found


def _each(words: tuple[str, ...], lists: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [one for word in words for one in lists.get(word, (word,))]


def _of_opening(opening: Opening) -> Iterator[Question]:
    viewer = Viewer(opening.who, "organization", opening.why)
    whole: Right = (opening.relationship, frozenset(opening.obligations))
    for kind in KINDS:
        for without in (None, *(DEMANDS if kind in opening.kinds else ())):
            consents = (_consent(opening, kind, without), *opening.beside)
            opens = kind in opening.kinds and without not in opening.must
            wanted = whole if opens and without is None else opens
            about = f"a consent of kind {kind}" + (f" that is not {without}" if without else "")
            cls = disclosure_class(opening.record, consents)
            for how in opening.how:
                yield Question(opening.opening, f"{about}, {how}", cls, viewer, how, wanted)


def _consent(opening: Opening, kind: str, without: Demand | None) -> ConsentForm:
    to = {"named": (), "by-name": ("group:coalition",)}.get(without or "", (opening.who,))
    return ConsentForm(
        kind=kind,
        of=opening.record.source,
        written=without != "written",
        by="other" if without == "own" else "self",
        permit=Terms(
            to=to,
            until=None if without == "ends" else date(2027, 1, 1),
        ),
    )
