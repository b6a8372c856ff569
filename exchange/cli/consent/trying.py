"""`test`, `check` and `prove`: the rules of a folder, tried before anything is switched on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from exchange.app.rulesets import read_rules
from exchange.cli.common import JsonOption, console, print_json, settings
from exchange.consent import Rules, parse_rules
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.proof.cases import prove as run_cases
from exchange.consent.proof.checks import check as find_flaws
from exchange.consent.proof.invariants import read_invariants
from exchange.consent.proof.prover import Proved
from exchange.consent.proof.prover import prove as prove_all
from exchange.consent.proof.words import sentences

app = typer.Typer()
RulesOption = Annotated[
    str | None,
    typer.Option(
        "--rules", help="A folder, or a git revision of consent/ (default: consent/ as it lies here)."
    ),
]


@app.command(name="test")
def run_all_cases(rules: RulesOption = None) -> None:
    """Run every case of consent/cases; each flipped must fail, each rule removed must break one."""
    files = read_rules(settings(), rules)
    report = run_cases(files, parse_rules(files))
    for failure in report.failures:
        console.print(f"fails: {failure.case}: {failure.problem}", highlight=False, markup=False)
    for case in report.blind:
        console.print(f"holds even when flipped: {case}", highlight=False, markup=False)
    for rule in report.idle:
        console.print(f"no case needs the rule: {rule}", highlight=False, markup=False)
    console.print(f"{report.cases} cases: {'all hold' if report.good else 'see above'}")
    raise typer.Exit(0 if report.good else 1)


@app.command()
def check(rules: RulesOption = None, json: JsonOption = False) -> None:
    """Look for rules that contradict, are shadowed, unreachable, expired, uncited or not reviewed in time."""
    flaws = find_flaws(read_rules(settings(), rules), datetime.now(EXCHANGE_ZONE).date())
    if json:
        print_json(flaws)
    else:
        for flaw in flaws:
            _say(f"{flaw.place}: {flaw.rule} is {flaw.kind}: {flaw.problem}")
            _say(f"    right would be: {flaw.remedy}")
        console.print("nothing found" if not flaws else f"{len(flaws)} found")
    raise typer.Exit(1 if any(flaw.kind != "switched-off" for flaw in flaws) else 0)


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


@app.command()
def prove(
    rules: RulesOption = None,
    json: JsonOption = False,
) -> None:
    """Try every promise of consent/invariants against every kind of request; a broken one shows its example.

    Every label, participant, role, purpose, action and consent the rules tell apart is tried, from today on.
    """
    found = settings()
    files = read_rules(found, rules)
    compiled = parse_rules(files)
    invariants = read_invariants(files, compiled.vocabulary)
    proved = list(prove_all(invariants, compiled, datetime.now(UTC)))
    broken = [one for one in proved if one.counterexample]
    if json:
        print_json([_plain(one, compiled) for one in proved])
    else:
        for one in proved:
            _say(f"{'BROKEN' if one.counterexample else 'holds '}  {one.written.invariant.title}")
            if one.counterexample:
                _say(f"        {one.written.place}: {one.written.invariant.id}")
                for sentence in sentences(one.counterexample, compiled):
                    _say(f"        {sentence}")
        console.print(f"{len(proved)} promises, {len(broken)} broken")
    raise typer.Exit(1 if broken or not proved else 0)


def _plain(one: Proved, rules: Rules) -> dict[str, object]:
    found = one.counterexample
    return {
        "invariant": one.written.invariant.id,
        "place": one.written.place,
        "holds": found is None,
        "kinds_tried": one.tried,
        "counterexample": sentences(found, rules) if found else (),
    }
