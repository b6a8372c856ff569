"""`prove`: the promises of consent/invariants against every request there could be, and what is shown now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from exchange.app import open_exchange
from exchange.app.privacy.promises import Kept, Stored, stored_promises
from exchange.app.privacy.rulesets import read_rules
from exchange.cli.common import JsonOption, console, print_json, settings
from exchange.cli.consent.trying import RulesOption
from exchange.consent import Rules, complete_rules
from exchange.consent.proof.invariants import read_invariants
from exchange.consent.proof.prover import Proved
from exchange.consent.proof.prover import prove as prove_all
from exchange.consent.proof.words import breach_sentences, sentences

app = typer.Typer()
StoredOption = Annotated[
    bool,
    typer.Option(
        "--stored", help="Also every class of record and viewer that this repository permits at the moment."
    ),
]


@app.command()
def prove(rules: RulesOption = None, stored: StoredOption = False, json: JsonOption = False) -> None:
    """Try every promise of consent/invariants against every kind of request; a broken one shows its example.

    Every label, participant, role, purpose, action and consent the rules tell apart is tried, from today on.
    """
    found = settings()
    files = read_rules(found, rules)
    compiled = complete_rules(files)
    invariants = read_invariants(files, compiled.vocabulary)
    proved = list(prove_all(invariants, compiled, datetime.now(UTC)))
    shown = stored_promises(open_exchange(found), invariants) if stored else None
    if json:
        print_json([_plain(one, shown, compiled) for one in proved])
    else:
        for one in proved:
            _tell(one, shown, compiled)
        console.print(_summary(proved, shown))
    raise typer.Exit(1 if not proved or any(map(_broken, proved)) or _breached(shown) else 0)


def _broken(one: Proved) -> bool:
    return one.counterexample is not None


def _breached(shown: Stored | None) -> int:
    return sum(1 for kept in shown.promises if kept.breach) if shown else 0


def _summary(proved: list[Proved], shown: Stored | None) -> str:
    text = f"{len(proved)} promises, {sum(map(_broken, proved))} broken"
    return f"{text}; {shown.permits} permits in force, {_breached(shown)} promises broken" if shown else text


def _tell(one: Proved, shown: Stored | None, rules: Rules) -> None:
    kept = _kept(one, shown)
    good = one.counterexample is None and (kept is None or kept.breach is None)
    _say(f"{'holds ' if good else 'BROKEN'}  {one.written.invariant.title}")
    if not good:
        _say(f"        {one.written.place}: {one.written.invariant.id}")
    for sentence in (*_example(one, rules), *_breach(kept, shown, rules)):
        _say(f"        {sentence}")


def _kept(one: Proved, shown: Stored | None) -> Kept | None:
    named = one.written.invariant.id
    return next((k for k in shown.promises if k.written.invariant.id == named), None) if shown else None


def _example(one: Proved, rules: Rules) -> tuple[str, ...]:
    return sentences(one.counterexample, rules) if one.counterexample else ()


def _breach(kept: Kept | None, shown: Stored | None, rules: Rules) -> tuple[str, ...]:
    if kept is None or shown is None or kept.breach is None:
        return ()
    count = f"In the repository {kept.pairs} pairs of class and viewer break it, {kept.records} records."
    return (count, *breach_sentences(kept.breach, shown.classes[kept.breach.number], rules))


def _plain(one: Proved, shown: Stored | None, rules: Rules) -> dict[str, object]:
    kept = _kept(one, shown)
    return {
        "invariant": one.written.invariant.id,
        "place": one.written.place,
        "holds": one.counterexample is None and (kept is None or kept.breach is None),
        "kinds_tried": one.tried,
        "counterexample": _example(one, rules),
        **(
            {"stored": _breach(kept, shown, rules), "pairs": kept.pairs, "records": kept.records}
            if kept
            else {}
        ),
    }


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
