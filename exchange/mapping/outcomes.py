"""What an expression can give, and whether an element can hold it: asked before the first record.

A kind is a FHIR type, or `text` (read by a function), `raw` (source text that no function has read), `object`
(made by a fragment) or `any` (only the source knows: JSON).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exchange.mapping import expression as ex
from exchange.mapping.analysis import is_constant
from exchange.mapping.function_checks import GIVES
from exchange.mapping.language import Language, Spot
from exchange.model.fhir_types import Element, is_primitive, type_names, value_set
from exchange.model.primitives import misfit

_PASSING = ("first", "last", "unique", "least", "greatest")
_WORDS = frozenset({"raw", "text", "code", "uri"})
_MOMENTS = frozenset({"date", "dateTime", "instant", "time"})
_NUMBERS = frozenset({"integer", "decimal"})
_HELD = {
    **dict.fromkeys(("string", "markdown"), _WORDS | _MOMENTS | {"base64Binary", "xhtml"}),
    **dict.fromkeys(("code", "id"), _WORDS - {"uri"}),
    **dict.fromkeys(("uri", "url", "canonical", "oid", "uuid"), _WORDS),
    "base64Binary": frozenset({"raw", "text", "base64Binary"}),
    "xhtml": frozenset({"xhtml"}),
    "date": frozenset({"date"}),
    "dateTime": frozenset({"date", "dateTime", "instant"}),
    "instant": frozenset({"instant"}),
    "time": frozenset({"time"}),
    "boolean": frozenset({"boolean"}),
    "decimal": _NUMBERS,
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), frozenset({"integer"})),
}
"""Kinds that an element of a primitive type can hold."""
_TEXTS = frozenset({"string", "markdown", "code", "id", "uri", "url", "canonical", "oid", "uuid"})
_CONVERTED = frozenset(_HELD) - _TEXTS


def outcomes(expression: ex.Expression) -> Iterator[ex.Expression]:
    """The parts of an expression any one of which can be its value."""
    match expression:
        case ex.Value(_, inner):
            yield from outcomes(inner)
        case ex.Either(items):
            for item in items:
                yield from outcomes(item)
        case ex.Choice(_, then, otherwise):
            yield from outcomes(then)
            if otherwise is not None:
                yield from outcomes(otherwise)
        case ex.Call(name, (value, *_)) if name in _PASSING:
            yield from outcomes(value)
        case _:
            yield expression


def kind_of(part: ex.Expression, language: Language, spot: Spot) -> str:
    """The kind of one outcome."""
    match part:
        case ex.Path(_, str()):
            return "object"
        case ex.Path(text, None):
            return _kind_at(text, language, spot) if language.grammar.typed else "raw"
        case ex.Ref():
            return "Reference"
        case ex.System():
            return "uri"
        case ex.Context(name):
            return "instant" if name == "modified" else "text"
        case ex.Call(name, _):
            return GIVES.get(name, "text")
        case ex.Literal(bool()) | ex.Both() | ex.Not() | ex.Compare():
            return "boolean"
        case ex.Literal(int()):
            return "integer"
        case ex.Literal(float()):
            return "decimal"
        case _:
            return "text"


def _kind_at(path: str, language: Language, spot: Spot) -> str:
    """The FHIR type a path of a FHIR resource leads to, `raw` for its texts; `any` where it is not known."""
    try:
        found = language.grammar.below(path, spot.place)
    except ValueError:
        return "any"
    return "raw" if found in _TEXTS else found or "any"


def check_outcomes(expression: ex.Expression, element: Element, language: Language, spot: Spot) -> None:
    """ContentError when a value that the expression can give is none that the element can hold."""
    for part in outcomes(expression):
        if isinstance(part, ex.Literal):
            _check_literal(part.value, element, spot)
        elif isinstance(part, ex.Ref):
            _check_reference(part, element, language, spot)
        else:
            _check_kind(kind_of(part, language, spot), element, spot)
        if isinstance(part, ex.Call) and part.name == "code":
            _check_targets(part, element, language, spot)
    check_reached(expression, spot)


def _check_kind(kind: str, element: Element, spot: Spot) -> None:
    wanted = element.type
    if kind in ("any", wanted) or (kind == "object" and not is_primitive(wanted)):
        return
    if not is_primitive(wanted):
        if kind in _HELD or kind in ("raw", "text"):
            raise spot.node.fail(f"a {wanted} is an object: give its elements or `… as TYPE`", spot.element)
        if kind != wanted:
            raise spot.node.fail(f"a {wanted} cannot hold a {kind}", spot.element)
    elif kind == "raw" and wanted in _CONVERTED and kind not in _HELD[wanted]:
        words = f"source text is no {wanted} yet: `(a or b) | date`, `| integer` …"
        raise spot.node.fail(words, spot.element)
    elif kind not in _HELD[wanted]:
        words = "an object" if kind == "object" else f"a {kind}"
        raise spot.node.fail(f"a {wanted} cannot hold {words}", spot.element)


def _check_literal(value: Any, element: Element, spot: Spot) -> None:
    if not is_primitive(element.type):
        words = f"a {element.type} is an object: give its elements or `… as TYPE`"
        raise spot.node.fail(words, spot.element)
    if words := misfit(element.type, value):
        told = f"a {element.type} cannot be {value!r}: it {words}"
        raise spot.node.fail(told if isinstance(value, str) else f"{told}; text is `=text`", spot.element)
    if element.codes and value not in (codes := _codes(element.codes)):
        raise spot.node.fail(f"`{value}` is no code of {element.codes}", f"{spot.element}.{value}", codes)


def _codes(name: str) -> frozenset[str]:
    """Every code of a required binding."""
    return frozenset().union(*value_set(name).values())


def _check_targets(call: ex.Call, element: Element, language: Language, spot: Spot) -> None:
    """The codes a code map gives are those of the element's required binding."""
    code_map = language.codes.get(str(getattr(call.arguments[1], "value", "")))
    if code_map is None or not element.codes or element.type != "code":
        return
    for target in (target for row in code_map.rows.values() for target in row):
        if target.code and target.code not in (codes := _codes(element.codes)):
            words = f"code map `{code_map.name}` gives `{target.code}`, no code of {element.codes}"
            raise spot.node.fail(words, f"{spot.element}.{target.code}", codes)


def _check_reference(ref: ex.Ref, element: Element, language: Language, spot: Spot) -> None:
    if element.type != "Reference":
        raise spot.node.fail(f"a {element.type} cannot hold a Reference", spot.element)
    made = language.entries.get(ref.target, ref.target)
    if element.targets and made in type_names("resource") and made not in element.targets:
        words = f"a reference to a {made} cannot stand here"
        raise spot.node.fail(words, f"{spot.element}.{made}", element.targets)


# --- rows that are never reached, conditions that never change --------------------------------------


def check_reached(expression: ex.Expression, spot: Spot) -> None:
    """ContentError for what stands behind a constant, or a condition that is always the same."""
    for item in ex.walk(expression):
        if isinstance(item, ex.Either) and any(_fixed(each) for each in item.items[:-1]):
            raise spot.node.fail("what follows a constant and `or` is never reached", spot.element)
        if isinstance(item, ex.Choice):
            check_condition(item.condition, spot)


def check_condition(expression: ex.Expression, spot: Spot) -> None:
    """ContentError for a part of a condition that is the same for every record; `$values` may be switches."""
    if _fixed(expression):
        raise spot.node.fail(
            "this condition never changes, so the row is always or never reached", spot.element
        )
    match expression:
        case ex.Both(items) | ex.Either(items):
            for item in items:
                check_condition(item, spot)
        case ex.Not(item) | ex.Value(_, item):
            check_condition(item, spot)


def _fixed(expression: ex.Expression) -> bool:
    return is_constant(expression) and not any(isinstance(item, ex.Value) for item in ex.walk(expression))


def check_compared(compare: ex.Compare, language: Language, spot: Spot) -> None:
    """ContentError for a literal that the left side can never be equal to."""
    literals = [item.value for item in compare.right if isinstance(item, ex.Literal)]
    if compare.operator == "in" and not literals:
        raise spot.node.fail('`in` needs what it may be: `in ("A01", "A04")`', spot.element)
    for literal in literals:
        found = [_never(part, literal, language, spot) for part in outcomes(compare.left)]
        if found and all(found):
            raise spot.node.fail(f"this is never {literal!r}: {found[0]}", spot.element)


def _never(part: ex.Expression, literal: Any, language: Language, spot: Spot) -> str:
    """Why an outcome can never be the literal; `` when it can."""
    kind = kind_of(part, language, spot)
    if kind == "any" or isinstance(part, ex.Literal):
        return ""
    if kind == "object" or (kind[:1].isupper() and not is_primitive(kind)):
        return "an object is no text"
    if kind == "boolean":
        return "" if isinstance(literal, bool) else "it is true or false"
    if kind in _NUMBERS:
        return "" if isinstance(literal, (int, float)) and not isinstance(literal, bool) else "it is a number"
    if not isinstance(literal, str):
        return f'it is text, write "{str(literal).lower()}"'
    if isinstance(part, ex.Call):
        return _never_given(part, literal, language)
    return ""


def _never_given(call: ex.Call, literal: str, language: Language) -> str:
    if call.name in ("upper", "lower") and literal != (
        literal.upper() if call.name == "upper" else literal.lower()
    ):
        return f"`{call.name}` gives no such letters"
    if call.name == "code":
        code_map = language.codes.get(str(getattr(call.arguments[1], "value", "")))
        given = {target.code for row in code_map.rows.values() for target in row} if code_map else {literal}
        if literal not in given:
            return f"the code map gives {', '.join(sorted(given))}"
    return ""
