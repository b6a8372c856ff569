"""`test` and `check`: the rules of a folder, tried before anything is switched on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from exchange.app.privacy.rulesets import read_rules
from exchange.cli.common import JsonOption, console, print_json, settings
from exchange.consent import complete_rules
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.proof.checks import check as find_flaws
from exchange.consent.proof.report import prove as run_cases

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
    report = run_cases(files, complete_rules(files))
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
