"""Functions and code maps of the map language as source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import cache, partial
from typing import Any

from exchange.mapping import expression as ex
from exchange.mapping.analysis import kind_of
from exchange.mapping.codes import CodeMap, Target, shown_code
from exchange.mapping.function_checks import argument_fault
from exchange.mapping.functions import FUNCTIONS, OPTIONAL_ARGUMENTS, WHOLE
from exchange.mapping.language import Language, Spot
from exchange.mapping.shapes import REMEMBERED
from exchange.mapping.source import TEXT, Write, Writer
from exchange.model.records import Unmapped

CODE_FUNCTIONS = ("code", "coding", "concept")
Compile = Callable[[ex.Expression], Write]


@cache
def _in_zone(function: Callable[..., Any], zone: tzinfo) -> tuple[Callable[..., Any], inspect.Signature]:
    """A function that needs a zone with it, and what is left for a map to give."""
    if "zone" in inspect.signature(function).parameters:
        function = partial(function, zone=zone)
    return function, inspect.signature(function)


def compile_call(call: ex.Call, language: Language, spot: Spot, compiled: Compile) -> Write:
    """What writes a call; ContentError for an unknown function or arguments it does not take."""
    if call.name in CODE_FUNCTIONS:
        return _translate(call, language, spot, compiled)
    if call.name not in FUNCTIONS:
        valid = [*FUNCTIONS, *CODE_FUNCTIONS]
        raise spot.node.fail(f"`{call.name}` is no function", f"{spot.element}.{call.name}", valid)
    function, signature = _in_zone(FUNCTIONS[call.name], language.zone)
    try:
        signature.bind(*call.arguments)
    except TypeError as error:
        raise spot.node.fail(f"`{call.name}`: {error}", spot.element) from None
    known = [item.value if isinstance(item, ex.Literal) else None for item in call.arguments[1:]]
    if fault := argument_fault(call.name, known):
        raise spot.node.fail(f"`{call.name}`: {fault}", spot.element)
    value, *rest = (compiled(argument) for argument in call.arguments)
    if call.name == "concat":
        return _joined([value, *rest])
    guarded = _guard(function, call.name, language, spot)
    if call.name in OPTIONAL_ARGUMENTS:
        return _with_all(guarded, [value, *rest], kind_of(call, language))
    constants = [item.value for item in call.arguments[1:] if isinstance(item, ex.Literal)]
    kind = kind_of(call, language)
    if len(constants) < len(rest):
        return _depending(guarded, value, rest, kind)
    if call.name in WHOLE:
        return _of_value(_whole(guarded, constants), value, kind)
    one, given = _remembering(guarded, constants)
    if kind_of(call.arguments[0], language) == TEXT:
        return _of_text(one, given, value, kind)
    return _of_value(_applied(one), value, kind)


_FAULTS = {"until": "the end lies before the start"}
"""What is wrong where that says more than that a value cannot be read."""


def _guard(function: Callable[..., Any], name: str, language: Language, spot: Spot) -> Callable[..., Any]:
    """The function with "cannot be read" turned into an issue of the record."""
    place, detail = language.grammar.position, _FAULTS.get(name, f"`{name}` cannot read the value")

    def guarded(run: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (ValueError, TypeError, AttributeError, OverflowError):
            run.note("error", "value", detail, spot.expression, spot.position, place)
            return None

    return guarded


def _joined(parts: list[Write]) -> Write:
    """`concat`: all parts as one text, nothing when one is missing."""

    def joined(writer: Writer, at: str) -> str:
        names = [part(writer, at) for part in parts]
        missing = writer.missing(names)
        text = "".join(f"{{{name}}}" for name in names)
        return writer.new(f"None if {missing} else f'{text}'" if missing else f"f'{text}'", TEXT)

    return joined


def _with_all(guarded: Callable[..., Any], arguments: list[Write], kind: str) -> Write:
    """A function that runs also where an argument is missing."""
    return lambda writer, at: writer.new(
        f"{writer.constant(guarded)}(run, {', '.join([item(writer, at) for item in arguments])})", kind
    )


def _of_value(apply: Callable[[Any, Any], Any], value: Write, kind: str) -> Write:
    def applied(writer: Writer, at: str) -> str:
        found = value(writer, at)
        return writer.new(f"None if {found} is None else {writer.constant(apply)}({found}, run)", kind)

    return applied


def _whole(function: Callable[..., Any], constants: list[Any]) -> Callable[[Any, Any], Any]:
    return lambda found, run: function(run, found, *constants)


def _of_text(one: Callable[[Any, Any], Any], known: Mapping[str, Any], value: Write, kind: str) -> Write:
    def applied(writer: Writer, at: str) -> str:
        found = value(writer, at)
        looked_up, made = f"{writer.constant(known.get)}({found})", f"{writer.constant(one)}({found}, run)"
        return writer.new(f"None if {found} is None else {looked_up} or {made}", kind)

    return applied


def _remembering(
    function: Callable[..., Any], constants: list[Any]
) -> tuple[Callable[[Any, Any], Any], Mapping[str, Any]]:
    """The function with its constants, of one value; and what it gave for texts."""
    known: dict[str, Any] = {}

    def one(found: Any, run: Any) -> Any:
        if type(found) is str and (result := known.get(found)) is not None:
            return result
        result = function(run, found, *constants)
        if result is not None and type(found) is str:
            if len(known) >= REMEMBERED:
                known.clear()
            known[found] = result
        return result

    return one, known


def _applied(one: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The function of a value or each of a list."""

    def apply(found: Any, run: Any) -> Any:
        if type(found) is list:
            return [item for item in [one(each, run) for each in found] if item is not None] or None
        return one(found, run)

    return apply


def _depending(function: Callable[..., Any], value: Write, rest: list[Write], kind: str) -> Write:
    """A function with arguments that depend on the source."""

    def apply(run: Any, found: Any, *more: Any) -> Any:
        if type(found) is list:
            return [
                item for item in [function(run, each, *more) for each in found] if item is not None
            ] or None
        return function(run, found, *more)

    def depending(writer: Writer, at: str) -> str:
        names = [item(writer, at) for item in (value, *rest)]
        missing = writer.missing(names)
        call = f"{writer.constant(apply)}(run, {', '.join(names)})"
        return writer.new(f"None if {missing} else {call}" if missing else call, kind)

    return depending


# --- code maps --------------------------------------------------------------------------------------


def _translate(call: ex.Call, language: Language, spot: Spot, compiled: Compile) -> Write:
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
    shape = _codings if both else _SHAPES[call.name]
    one = _translation(language.codes[name], shape, language.grammar.position, spot)

    def each(run: Any, found: Any, where: str | None) -> Any:
        if type(found) is not list:
            return one(run, found, where)
        made = [item for item in [one(run, code, where) for code in found] if item is not None]
        return ([item for items in made for item in items] if both else made) or None

    is_text, kind = kind_of(arguments[0], language) == TEXT, kind_of(call, language)

    def translate(writer: Writer, at: str) -> str:
        found = value(writer, at)
        out = writer.new("None", kind)
        with writer.block(f"if {found} is not None"):
            where = None if system is None else system(writer, at)
            writer.line(f"{out} = {writer.constant(one if is_text else each)}(run, {found}, {where})")
        return out

    return translate


def _translation(
    code_map: CodeMap, shape: Callable[..., Any], place: Callable[[Any], str], spot: Spot
) -> Callable[[Any, Any, Any], Any]:
    """One code's translation, looked up once for a code, system and (where rows have dates) day."""
    detail = f"a code is not in code map `{code_map.name}`"
    known: dict[tuple[str, str | None, str], Any] = {}

    def one(run: Any, code: Any, system: str | None) -> Any:
        key = (str(code), system, run.day if code_map.dated else "")
        if key in known:
            return known[key]
        found = code_map.find(*key)
        targets, listed = tuple(target for target in found if target.code), code_map.lists(*key)
        # A gap that is known leaves nothing of a Coding; a code that nobody has mapped stays as it was sent.
        known_gap = listed and not targets and shape is _codings
        result = None if known_gap else shape(targets, str(code), system)
        if not listed:
            run.note("information", "code-invalid", detail, spot.expression, spot.position, place)
            own = shown_code(system or "")
            shown = Unmapped(code_map.name, own, shown_code(str(code), own), spot.expression, spot.position)
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
