"""`exchange match`: the match steward's queue, decisions and what followed from them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import typer

from exchange.app.identity.golden import golden_of, in_words
from exchange.app.identity.matching import (
    Consequence,
    SideBySide,
    ask_about,
    decide_pair,
    history_of,
    person_changes,
    settle,
    side_by_side,
    waiting_for_steward,
    waterfall,
)
from exchange.app.identity.side_by_side import lines_of
from exchange.cli import relinking
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.model.errors import ContentError
from exchange.repository import Word

app = typer.Typer(
    help="Identity: possible matches by harm, two records side by side, link, take apart, undo."
)

app.command()(relinking.diff)
app.command()(relinking.relink)

PairArgument = Annotated[str, typer.Argument(help="Two patients of the queue, as 17-204.", metavar="PAIR")]
StewardOption = Annotated[str, typer.Option(help="Who decides or looks; recorded.")]
ReasonOption = Annotated[str, typer.Option(help="Why, without naming the patient; recorded.")]
_HARM = {3: "overlay", 2: "protected records", 1: "care on both sides", 0: "-"}


@app.command()
def queue(
    limit: Annotated[int, typer.Option(min=1)] = 50,
    json: JsonOption = False,
) -> None:
    """What waits for a steward, worst harm first. No patient data."""
    found_overlays, found = waiting_for_steward(exchange(), limit)
    if json:
        print_json({"overlays": found_overlays, "pairs": found})
        return
    if found_overlays:
        table(
            "Records that turned into another person's; held back until settled (exchange match settle)",
            ["patient", "partner", "since", "settled as"],
            [[str(o.patient), o.partner, f"{o.since:%Y-%m-%d}", o.outcome or "-"] for o in found_overlays],
        )
    table(
        "Possible matches",
        ["pair", "partners", "harm", "probability", "why not linked", "asked"],
        [
            [
                f"{d.a}-{d.b}", " / ".join(d.partners), _HARM[d.harm], f"{d.probability:.3f}",
                d.rule or "below the threshold", f"{d.asked:%Y-%m-%d}" if d.asked else "-",
            ]
            for d in found
        ],
    )  # fmt: skip


@app.command()
def show(pair: PairArgument, steward: StewardOption, json: JsonOption = False) -> None:
    """Two records side by side with the evidence per field: patient data, mind your screen. Recorded."""
    opened = exchange()
    found = side_by_side(opened, _pair(pair), steward)
    if json:
        print_json(found)
        return
    table("The two records", ["", "first", "second"], lines_of(found.records))
    _print_evidence(found)
    if found.events:
        table(
            "Said before",
            ["when", "what", "by", "probability"],
            [
                [
                    f"{e.at:%Y-%m-%d %H:%M}",
                    e.kind,
                    e.evidence.get("steward") or e.basis,
                    f"{e.probability:.3f}",
                ]
                for e in found.events
            ],
        )


def _print_evidence(found: SideBySide) -> None:
    if found.doubt is None:
        console.print("There is no open question about these two; so the model sees them now.")
    table(
        "Evidence in bits (positive speaks for one person)",
        ["field", "agreement", "bits", "sum", ""],
        [
            [name, level, f"{bits:+.1f}", f"{total:+.1f}", _bar(bits)]
            for name, level, bits, total in waterfall(found.evidence, found.prior)
        ],
    )
    if found.doubt and found.doubt.rule:
        console.print(f"A steward must look because of: {found.doubt.rule}", highlight=False)


def _bar(bits: float) -> str:
    return ("+" if bits > 0 else "-") * min(30, round(abs(bits)))


@app.command()
def person(
    patient: Annotated[int, typer.Argument(help="Number of one of the person's patients.")],
    steward: StewardOption,
    json: JsonOption = False,
) -> None:
    """The golden record of a person and why each value is shown: patient data, mind your screen. Recorded."""
    found = golden_of(exchange(), patient, steward)
    if json:
        print_json(found)
        return
    table(
        "Of " + ", ".join(f"{number} ({partner})" for number, partner in found.records),
        ["element", "value", "from", "why", "others say"],
        [
            [
                one.element, in_words(one.value), ", ".join(one.partners), one.reason,
                "; ".join(f"{in_words(value)} ({', '.join(by)})" for value, by in one.others),
            ]
            for one in found.survivors
        ],
    )  # fmt: skip


@app.command()
def link(pair: PairArgument, steward: StewardOption, reason: ReasonOption, json: JsonOption = False) -> None:
    """The two are one person; outranks the model and what partners say."""
    _print(decide_pair(exchange(), _pair(pair), Word("link", steward, reason)), json)


@app.command()
def apart(pair: PairArgument, steward: StewardOption, reason: ReasonOption, json: JsonOption = False) -> None:
    """The two are two people: undoes any link and sticks; lists what went out while they were one."""
    _print(decide_pair(exchange(), _pair(pair), Word("keep-apart", steward, reason)), json)


@app.command()
def ask(pair: PairArgument) -> None:
    """Note that the partners of both records were asked; the pair stays in the queue."""
    partners = ask_about(exchange(), _pair(pair))
    console.print(f"asked {' and '.join(sorted(set(partners)))}", highlight=False)


@app.command(name="settle")
def settle_overlay(
    patient: Annotated[int, typer.Argument(help="Number of the patient in the queue.")],
    outcome: Annotated[
        Literal["one-person", "two-people"],
        typer.Option(help="one-person opens the record; two-people holds it back until it is corrected."),
    ],
    steward: StewardOption,
    reason: ReasonOption,
    json: JsonOption = False,
) -> None:
    """Decide about a record that turned into another person's."""
    _print(settle(exchange(), patient, outcome, steward, reason), json)


@app.command()
def history(
    patient: Annotated[int, typer.Argument(help="Number of the patient in the queue.")],
    json: JsonOption = False,
) -> None:
    """Everything that was said about a patient's identity, oldest first. No patient data."""
    found = history_of(exchange(), patient)
    if json:
        print_json(found)
        return
    table(
        f"Identity of patient {patient}",
        ["when", "what", "with", "grade", "by"],
        [
            [
                f"{e.at:%Y-%m-%d %H:%M}", e.kind, str(e.b if e.a == patient else e.a), e.grade or "",
                e.evidence.get("steward") or e.basis,
            ]
            for e in found
        ],
    )  # fmt: skip


@app.command()
def changes(
    after: Annotated[int, typer.Option(min=0, help="Number of the last event already seen.")] = 0,
    limit: Annotated[int, typer.Option(min=1)] = 100,
    json: JsonOption = False,
) -> None:
    """The feed of persons merged and split, for those who keep their own copy."""
    found = person_changes(exchange(), after, limit)
    if json:
        print_json(found)
        return
    table(
        "Persons merged and split",
        ["event", "when", "what", "person", "now"],
        [[str(c.event), f"{c.at:%Y-%m-%d %H:%M}", c.kind, c.before, c.after] for c in found],
    )


def _print(done: Consequence, json: bool) -> None:
    if json:
        print_json(done)
        return
    console.print(
        f"{done.patients:,} patients with other consents, {done.moved:,} records decided anew,"
        f" {done.withdrawn:,} taken out",
        highlight=False,
    )
    if done.disclosed:
        table(
            "Went out while the two were shown as one person",
            ["when", "recipient", "purpose", "what"],
            [
                [f"{d.at:%Y-%m-%d %H:%M}", d.recipient, d.purpose, ", ".join(d.resources)]
                for d in done.disclosed
            ],
        )


def _pair(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,9})-(\d{1,9})", text)
    if not found:
        raise ContentError("name two patients of the queue as 17-204", field="PAIR")
    return int(found[1]), int(found[2])
