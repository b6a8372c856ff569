"""Whether what `consent/cases/` says comes out, and the proof that somebody would notice if it did not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from exchange.consent.classes import Context
from exchange.consent.proof.cases import Case, Failure, flipped, holds, read_cases, run, run_labels, speaking
from exchange.consent.proof.row_cases import idle_rows
from exchange.consent.proof.tables import (
    Question,
    names,
    needless,
    questions,
    read_tables,
    run_tables,
    spoken_of,
    wrong,
)
from exchange.consent.rules.ruleset import Rules, without
from exchange.model.records import Files


@dataclass(frozen=True, slots=True)
class Report:
    """`failures`: cases that do not hold; `blind`: that hold either way; `idle`: rules (and lines of
    `minors.csv`) that no case needs as they are.
    """

    cases: int
    failures: tuple[Failure, ...]
    blind: tuple[str, ...]
    idle: tuple[str, ...]

    @property
    def good(self) -> bool:
        return self.cases > 0 and not (self.failures or self.blind or self.idle)


def prove(files: Files, rules: Rules) -> Report:
    """Runs every case, every case flipped, and the cases again without each rule, or line of `minors.csv`."""
    people, cases, label_cases = read_cases(files)
    context = Context(rules, people)
    tables = read_tables(files, context)
    asked = list(questions(tables, context))
    failures = failing(files, rules) if cases else []
    of_patients = [case for case in label_cases if case.patient]
    failed = {failure.case for failure in failures}
    blind = [case.case for case in cases if case.case not in failed and holds(flipped(case), context)]

    idle = _idle(context, cases, asked)
    idle += idle_rows(rules, lambda other: any(run_labels(of_patients, other)))
    every = len(cases) + len(label_cases) + len(names(tables))
    return Report(every, tuple(failures), (*blind, *needless(tables)), tuple(idle))


def failing(files: Files, rules: Rules) -> list[Failure]:
    """The cases that do not come out; rules that come with none are a failure themselves."""
    people, cases, label_cases = read_cases(files)
    context = Context(rules, people)
    if not cases:
        return [Failure("consent/cases", "there is no case")]
    asked = questions(read_tables(files, context), context)
    return [*run(cases, context), *run_labels(label_cases, rules), *run_tables(asked, context)]


def _idle(context: Context, cases: Iterable[Case], asked: Iterable[Question]) -> tuple[str, ...]:
    """Rules without which everything still comes out, asked of what they speak of."""
    asking = [(speaking(case, context), partial(_fails, case)) for case in cases]
    asking += [(spoken_of(one, context), partial(_is_wrong, one)) for one in asked]
    by_rule: dict[str, list[Callable[[Context], bool]]] = {}
    for rules, fails in asking:
        for name in rules:
            by_rule.setdefault(name, []).append(fails)
    return tuple(
        name
        for name in (rule.policy.id for rule in context.rules.rules)
        if not _noticed(by_rule.get(name, ()), Context(without(context.rules, name), context.participants))
    )


def _noticed(asking: Iterable[Callable[[Context], bool]], fewer: Context) -> bool:
    return any(fails(fewer) for fails in asking)


def _fails(case: Case, context: Context) -> bool:
    return not holds(case, context)


def _is_wrong(asked: Question, context: Context) -> bool:
    return wrong(asked, context) is not None
