"""Each rule changed in one place, as a slip of the pen would, and who notices."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import ValidationError

from exchange.consent import Context, DisclosureClass, decide
from exchange.consent import decision as deciding
from exchange.consent.content import read_yaml
from exchange.consent.proof.cases import Case, disclosure_class, moment, problems, read_cases
from exchange.consent.proof.tables import Question, questions, read_tables, wrong
from exchange.consent.rules.conditions import Facts
from exchange.consent.rules.policies import Effect, Policy
from exchange.consent.rules.ruleset import Rule, Rules, compile_rules
from exchange.model.records import Viewer

Written = dict[str, Any]
NOT_DECIDING = {
    "id",
    "title",
    "citation",
    "mark",
    "steward",
    "reviewer",
    "review_by",
    "exception",
    "in_force",
}


def mutants(rules: Rules, files: dict[str, str]) -> Iterator[tuple[str, Policy]]:
    """Every rule in force with one word less or another one, and what was changed."""
    known = {rule.policy.id: rule.policy for rule in rules.rules}
    for name in sorted(name for name in files if name.startswith("policies/")):
        body, _ = read_yaml(name, files[name])
        for written in body["policies"]:
            policy = known.get(written["id"])
            for what, changed in _changes(written) if policy else ():
                try:
                    other = Policy.model_validate(changed)
                except ValidationError:
                    continue
                needs = (other.effect == "required") == bool(other.consent and other.consent.domain)
                if needs and other != policy and (other.effect != "obligation" or other.obligations):
                    yield f"{other.id}: {what}", other


def _changes(rule: Written) -> Iterator[tuple[str, Written]]:
    for path, value in list(_walk(rule, ())):
        if path[0] in NOT_DECIDING:
            continue
        where = ".".join(map(str, path))
        if path == ("effect",):
            for effect in sorted(set(get_args(Effect)) - {value}):
                yield f"effect {effect}", {**rule, "effect": effect}
        elif isinstance(value, bool):
            yield f"{where} {not value}", _edited(rule, path, not value)
        yield (
            f"without {where}" + ("" if isinstance(value, dict | list) else f" {value}"),
            _edited(rule, path),
        )
    for demand in ("named", "by_name", "written", "time_limited") if "consent" in rule else ():
        if demand not in rule["consent"]:
            yield f"consent.{demand}", {**rule, "consent": {**rule["consent"], demand: True}}


def _walk(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key), value
        yield from _walk(value, (*path, key))


def _edited(rule: Written, path: tuple[str | int, ...], value: Any = None) -> Written:
    """The rule with another value there; with None nothing."""
    changed = deepcopy(rule)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


@dataclass
class Readers:
    """All cases and tables; which of them look at a rule is known by the facts each is decided on."""

    context: Context
    asking: dict[Facts, list[Callable[[Context], bool]]] = field(default_factory=dict)

    @classmethod
    def of(cls, files: dict[str, str], context: Context, patched: Any) -> "Readers":
        """`patched`: pytest's monkeypatch, to see what facts a question comes down to."""
        readers: Readers = cls(context)
        seen: list[Facts] = []
        real = deciding.gates

        def noted(rules: Rules, slot: int, facts: Facts) -> Any:
            seen.append(facts)
            return real(rules, slot, facts)

        patched.setattr(deciding, "gates", noted)
        checks: list[Callable[[Context], bool]] = [_case(case) for case in read_cases(files)[1]]
        checks += [_table(asked) for asked in questions(read_tables(files, context), context)]
        for check in checks:
            seen.clear()
            assert not check(Context(context.rules, context.participants))  # of which nothing is kept yet
            for facts in dict.fromkeys(seen):
                readers.asking.setdefault(facts, []).append(check)
        patched.undo()
        return readers

    def notice(self, other: Policy) -> bool:
        """Whether something does not come out as written under the changed rule."""
        rules = self.context.rules
        policies = [other if rule.policy.id == other.id else rule.policy for rule in rules.rules]
        changed = compile_rules({}, rules.vocabulary, rules.lists, policies, rules.minors)
        old = next(rule for rule in rules.rules if rule.policy.id == other.id)
        new = next(rule for rule in changed.rules if rule.policy.id == other.id)
        context = Context(changed, self.context.participants)
        return any(check(context) for check in self._touched(old, new))

    def _touched(self, old: Rule, new: Rule) -> Iterator[Callable[[Context], bool]]:
        same = _does(old.policy) == _does(new.policy)
        for facts, checks in self.asking.items():
            before, after = old.applies(facts), new.applies(facts)
            if before != after or (before and not same):
                yield from checks


def _does(policy: Policy) -> tuple[object, ...]:
    return (policy.effect, policy.consent, policy.waived_if_named, policy.lifts, policy.obligations)


def _case(case: Case) -> Callable[[Context], bool]:
    cls: DisclosureClass = disclosure_class(case.record, case.consents)
    request, at = case.request, moment(case.at)
    viewer = Viewer(request.participant, request.role, request.purpose)
    return lambda context: bool(problems(case, decide(cls, viewer, context, at, request.action)))


def _table(asked: Question) -> Callable[[Context], bool]:
    return lambda context: wrong(asked, context) is not None
