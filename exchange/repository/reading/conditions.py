"""One search parameter as an SQL condition over a row of `resource` and the index tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exchange.repository.reading import matchers
from exchange.repository.reading.criteria import Criterion
from exchange.repository.reading.matchers import MATCHES, Arguments, Match
from exchange.repository.reading.syntax import BadSearch, split_bar, split_values
from exchange.repository.storage.parameters import Kind, Parameter, identifier_key, paired_key, parameters

TABLES: dict[Kind, str] = {
    "token": "index_token",
    "string": "index_string",
    "date": "index_date",
    "reference": "index_reference",
    "quantity": "index_quantity",
    "uri": "index_string",
}
MODIFIERS: dict[Kind, frozenset[str]] = {
    "token": frozenset({"", "not", "missing", "in", "not-in", "above", "below"}),
    "string": frozenset({"", "exact", "contains", "missing"}),
    "date": frozenset({"", "missing"}),
    "reference": frozenset({"", "missing", "identifier"}),
    "quantity": frozenset({"", "missing"}),
    "uri": frozenset({"", "missing", "above", "below"}),
    "composite": frozenset({""}),
}
_NEGATED = frozenset({"not", "not-in"})
_MOST_COMPOSITES = 20


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a condition holds: the alias of `resource`; `patients` stands for those searched, if known.

    `few`: it is asked about few records, so that each is looked up.
    """

    alias: str
    arguments: Arguments
    patients: str | None = None
    few: bool = False


def condition(criterion: Criterion, scope: Scope) -> str:
    """SQL that holds for a row that matches; raises BadSearch for a modifier or value that cannot be."""
    criterion = _with_type(criterion)
    parameter, modifier = criterion.parameter, criterion.modifier
    if modifier not in MODIFIERS[parameter.kind]:
        raise BadSearch(f"{parameter.name} has no modifier :{modifier}")
    if modifier == "missing" and criterion.values not in (("true",), ("false",)):
        raise BadSearch(f"{parameter.name}:missing is true or false")
    positive = _positive(criterion, scope)
    return f"NOT {positive}" if _is_negated(criterion) else positive


def _is_negated(criterion: Criterion) -> bool:
    modifier = criterion.modifier
    return modifier in _NEGATED or (modifier == "missing" and criterion.values == ("true",))


def _with_type(criterion: Criterion) -> Criterion:
    """`performer:Practitioner=7` is `performer=Practitioner/7`."""
    parameter, named = criterion.parameter, criterion.modifier
    if parameter.kind != "reference" or not named[:1].isupper():
        return criterion
    if parameter.targets and named not in parameter.targets:
        raise BadSearch(f"{parameter.name} does not refer to the type {named}")
    return replace(criterion, modifier="")


def _positive(criterion: Criterion, scope: Scope) -> str:
    """SQL for one of the values being there (for any, when it is asked whether one is missing)."""
    parameter = criterion.parameter
    if parameter.unites:
        own = parameters()[criterion.type]
        each = [_positive(replace(criterion, parameter=own[name]), scope) for name in parameter.unites]
        return f"({' OR '.join(each)})"
    if parameter.kind == "composite":
        if len(criterion.values) > _MOST_COMPOSITES:
            raise BadSearch(f"{parameter.name} has at most {_MOST_COMPOSITES} values")
        return f"({' OR '.join(_composite(criterion, value, scope) for value in criterion.values)})"
    key = identifier_key(parameter.key) if criterion.modifier == "identifier" else parameter.key
    return _exists(criterion, _table(criterion), key, scope)


def _table(criterion: Criterion) -> str:
    return "index_token" if criterion.modifier == "identifier" else TABLES[criterion.parameter.kind]


def _exists(criterion: Criterion, table: str, key: int, scope: Scope) -> str:
    arguments = scope.arguments
    of_record, own = f"x.rid = {scope.alias}.rid", f"x.param = {arguments.add(key)}"
    if scope.patients is not None:
        own += f" AND x.patient = ANY({scope.patients})"
    if criterion.modifier != "missing":
        match = _match(criterion)
        either = " OR ".join(f"({match(value, criterion, arguments, key)})" for value in criterion.values)
        own += f" AND ({either})"
    # OFFSET 0: looked up for each record. Joined instead, where the planner takes those of which it holds for
    # few, all of them would be gone through for each.
    if scope.patients is None and scope.few and table != "index_token":
        # Nor is all that has the value read beside the record, to be compared with what the record has.
        return f"EXISTS (SELECT FROM (SELECT * FROM {table} x WHERE {of_record} OFFSET 0) AS x WHERE {own})"
    each = " OFFSET 0" if _is_negated(criterion) or (scope.few and scope.patients is None) else ""
    return f"EXISTS (SELECT FROM {table} x WHERE {of_record} AND {own}{each})"


def _match(criterion: Criterion) -> Match:
    if criterion.modifier in ("in", "not-in"):
        return matchers.in_value_set
    if criterion.modifier in ("above", "below") and criterion.parameter.kind == "token":
        return matchers.in_hierarchy
    return matchers.token if criterion.modifier == "identifier" else MATCHES[criterion.parameter.kind]


def _composite(criterion: Criterion, value: str, scope: Scope) -> str:
    """Both parts, `code$value`; within one element where the composite has a base."""
    composite, own = criterion.parameter, parameters()[criterion.type]
    code, dollar, rest = value.partition("$") if "\\" not in value else _split(value)
    if not code or not rest or not dollar:
        raise BadSearch(f"{composite.name} is two values with $ between them")
    first, second = (own[name] for name in composite.parts)
    has_code = _part(criterion, first, code, first.key, scope)
    if not composite.base:
        return f"({has_code} AND {_part(criterion, second, rest, second.key, scope)})"
    system, bar, plain = split_bar(code)
    if not plain:
        raise BadSearch(f"{composite.name} needs a code")
    key = paired_key(criterion.type, composite, f"{system}|{plain}" if bar else plain)
    return f"({has_code} AND {_part(criterion, second, rest, key, scope)})"


def _split(value: str) -> tuple[str, str, str]:
    code, *rest = split_values(value, "$")
    return code, "$", "$".join(rest)


def _part(criterion: Criterion, parameter: Parameter, value: str, key: int, scope: Scope) -> str:
    part = replace(criterion, parameter=parameter, values=(value,))
    return _exists(part, TABLES[parameter.kind], key, scope)


def may_refer_to_a_person(criterion: Criterion) -> bool:
    """Whether a value may be the golden id of somebody the record is not about."""
    parameter = criterion.parameter
    if parameter.kind != "reference" or criterion.modifier not in ("", "Patient"):
        return False
    return not parameter.targets or "Patient" in parameter.targets


def all_of(conditions: Sequence[str]) -> str:
    """SQL that holds when each does."""
    return " AND ".join(conditions) or "true"
