"""Functions and code maps of the map language as closures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from exchange.mapping import expression as ex
from exchange.mapping.codes import CodeMap, Target, shown_code
from exchange.mapping.function_checks import argument_fault
from exchange.mapping.functions import FUNCTIONS, OPTIONAL_ARGUMENTS, WHOLE
from exchange.mapping.language import Language, Spot
from exchange.mapping.paths.grammar import Reader
from exchange.mapping.shapes import REMEMBERED
from exchange.model.records import Unmapped

CODE_FUNCTIONS = ("code", "coding", "concept")
Compile = Callable[[ex.Expression], Reader]


def compile_call(call: ex.Call, language: Language, spot: Spot, compiled: Compile) -> Reader:
    """The reader of a call; ContentError for an unknown function or arguments it does not take."""
    if call.name in CODE_FUNCTIONS:
        return _translate(call, language, spot, compiled)
    if call.name not in FUNCTIONS:
        valid = [*FUNCTIONS, *CODE_FUNCTIONS]
        raise spot.node.fail(f"`{call.name}` is no function", f"{spot.element}.{call.name}", valid)
    function = FUNCTIONS[call.name]
    if "zone" in inspect.signature(function).parameters:
        function = partial(function, zone=language.zone)
    try:
        inspect.signature(function).bind(*call.arguments)
    except TypeError as error:
        raise spot.node.fail(f"`{call.name}`: {error}", spot.element) from None
    known = [item.value if isinstance(item, ex.Literal) else None for item in call.arguments[1:]]
    if fault := argument_fault(call.name, known):
        raise spot.node.fail(f"`{call.name}`: {fault}", spot.element)
    value, *rest = (compiled(argument) for argument in call.arguments)
    guarded = _guard(function, call.name, spot)
    if call.name in OPTIONAL_ARGUMENTS:
        return lambda node, run: guarded(run, value(node, run), *[item(node, run) for item in rest])
    constants = [item.value for item in call.arguments[1:] if isinstance(item, ex.Literal)]
    if len(constants) < len(rest):
        return _apply(guarded, value, rest)
    return (
        _whole(guarded, value, constants)
        if call.name in WHOLE
        else _apply_constant(guarded, value, constants)
    )


def _guard(function: Callable[..., Any], name: str, spot: Spot) -> Callable[..., Any]:
    """The function with "cannot be read" turned into an issue of the record."""

    def guarded(run: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (ValueError, TypeError, AttributeError, OverflowError):
            run.note("error", "value", f"`{name}` cannot read the value", spot.element, spot.position)
            return None

    return guarded


def _whole(function: Callable[..., Any], value: Reader, constants: list[Any]) -> Reader:
    def apply(node: Any, run: Any) -> Any:
        found = value(node, run)
        return None if found is None else function(run, found, *constants)

    return apply


def _apply_constant(function: Callable[..., Any], value: Reader, constants: list[Any]) -> Reader:
    known: dict[str, Any] = {}

    def one(found: Any, run: Any) -> Any:
        result = function(run, found, *constants)
        if result is not None and type(found) is str:
            if len(known) >= REMEMBERED:
                known.clear()
            known[found] = result
        return result

    def apply(node: Any, run: Any) -> Any:
        found = value(node, run)
        if found is None:
            return None
        if type(found) is list:
            return [item for item in [one(each, run) for each in found] if item is not None] or None
        return known[found] if type(found) is str and found in known else one(found, run)

    return apply


def _apply(function: Callable[..., Any], value: Reader, rest: list[Reader]) -> Reader:
    """A function with arguments that depend on the source."""

    def apply(node: Any, run: Any) -> Any:
        found, *more = value(node, run), *[item(node, run) for item in rest]
        if found is None or any(item is None for item in more):
            return None
        if type(found) is list:
            return [
                item for item in [function(run, each, *more) for each in found] if item is not None
            ] or None
        return function(run, found, *more)

    return apply


# --- code maps --------------------------------------------------------------------------------------


def _translate(call: ex.Call, language: Language, spot: Spot, compiled: Compile) -> Reader:
    """`code("map"[, system])`, `coding(…)`, `concept(…)`."""
    arguments = call.arguments
    if not 2 <= len(arguments) <= 3 or not isinstance(arguments[1], ex.Literal):
        raise spot.node.fail(f'`{call.name}` needs a code map: {call.name}("gender")', spot.element)
    name = str(arguments[1].value)
    if name not in language.codes:
        raise spot.node.fail(f"`{name}` is no code map", f"{spot.element}.{name}", language.codes)
    if (
        len(arguments) == 3
        and isinstance(arguments[2], ex.Literal)
        and not isinstance(arguments[2].value, str)
    ):
        raise spot.node.fail(f"the system of `{call.name}` is text or `<name>`", spot.element)
    value = compiled(arguments[0])
    system = compiled(arguments[2]) if len(arguments) == 3 else None
    both = call.name == "coding" and system is not None
    one = _translation(language.codes[name], _codings if both else _SHAPES[call.name], spot)

    def translate(node: Any, run: Any) -> Any:
        found = value(node, run)
        if found is None:
            return None
        where = None if system is None else system(node, run)
        if type(found) is list:
            made = [item for item in [one(run, code, where) for code in found] if item is not None]
            return ([item for items in made for item in items] if both else made) or None
        return one(run, found, where)

    return translate


def _translation(code_map: CodeMap, shape: Callable[..., Any], spot: Spot) -> Callable[[Any, Any, Any], Any]:
    """One code's translation, looked up once for a code, system and (where rows have dates) day."""
    known: dict[tuple[str, str | None, str], Any] = {}

    def one(run: Any, code: Any, system: str | None) -> Any:
        key = (str(code), system, run.day if code_map.dated else "")
        if key in known:
            return known[key]
        found = code_map.find(*key)
        targets = tuple(target for target in found if target.code)
        # A gap that is known leaves nothing of a Coding; a code that nobody has mapped stays as it was sent.
        known_gap = bool(found) and not targets and shape is _codings
        result = None if known_gap else shape(targets, str(code), system)
        if not found:
            detail = f"a code is not in code map `{code_map.name}`"
            run.note("information", "code-invalid", detail, spot.element, spot.position)
            own = shown_code(system or "")
            shown = Unmapped(code_map.name, own, shown_code(str(code), own), spot.element, spot.position)
            run.unmapped[shown] = None
        elif len(known) < REMEMBERED:
            known[key] = result
        return result

    return one


def _code(found: tuple[Target, ...], _code: str, _system: str | None) -> str | None:
    return found[0].code if found else None


def _coding(found: tuple[Target, ...], _code: str, _system: str | None) -> dict[str, str] | None:
    return found[0].coding() if found else None


def _codings(found: tuple[Target, ...], code: str, system: str | None) -> list[dict[str, str]] | None:
    """The target, then the source's own coding where its system is known."""
    return _with_own([target.coding() for target in found[:1]], code, system or "") or None


def _concept(found: tuple[Target, ...], code: str, system: str | None) -> dict[str, Any]:
    """Targets first, then the source's own coding; a code without a known system stays as text."""
    own = system or next((target.source_system for target in found if target.source_system), "")
    codings = _with_own([target.coding() for target in found], code, own)
    parts = {"coding": codings, "text": "" if own else code}
    return {name: value for name, value in parts.items() if value}


def _with_own(codings: list[dict[str, str]], code: str, system: str) -> list[dict[str, str]]:
    known = any(coding.get("system") == system and coding.get("code") == code for coding in codings)
    return codings if known or not system else [*codings, {"system": system, "code": code}]


_SHAPES: dict[str, Callable[..., Any]] = {"code": _code, "coding": _coding, "concept": _concept}
