"""What is known of an expression without running it."""

from __future__ import annotations

from exchange.mapping import expression as ex
from exchange.mapping.language import Language
from exchange.mapping.source import TEXT, TRUTH


def paths_of(expression: ex.Expression) -> tuple[str, ...]:
    """Source paths in the order written."""
    return tuple(dict.fromkeys(item.text for item in ex.walk(expression) if isinstance(item, ex.Path)))


def is_constant(expression: ex.Expression) -> bool:
    """Whether the value is the same for every record."""
    return not any(isinstance(item, (ex.Path, ex.Ref, ex.Context)) for item in ex.walk(expression))


def needed_paths(condition: ex.Expression) -> list[str]:
    """Paths without a value at which the condition cannot hold; of one that calls functions none is known."""
    if any(isinstance(item, ex.Call) for item in ex.walk(condition)):
        return []
    match condition:
        case ex.Path(text, None):
            return [text]
        case ex.Value(_, inner):
            return needed_paths(inner)
        case ex.Both(items):
            return [path for item in items for path in needed_paths(item)]
        case ex.Compare(left, "=" | "in" | "matches", right) if all(_is_told(item) for item in right):
            return needed_paths(left)
        case _:
            return []


def _is_told(item: ex.Expression) -> bool:
    return isinstance(item, ex.Literal) and item.value is not None


def is_local(expression: ex.Expression, language: Language) -> bool:
    """Whether the value depends on nothing but the place it is read at."""
    return all(_local(item, language) for item in ex.walk(expression))


def _local(item: ex.Expression, language: Language) -> bool:
    match item:
        case ex.Path(text, _):
            return language.grammar.local(text)
        case ex.Ref(target, key):
            return bool(key) and target not in language.entries
        case ex.Context(name):
            return name in language.sender
        case ex.Call("code" | "coding" | "concept", (_, ex.Literal(name), *_)):
            return name in language.codes and not language.codes[str(name)].dated
        case _:
            return True


def may_be_list(expression: ex.Expression, language: Language) -> bool:
    """Whether the value can be a list of several."""
    match expression:
        case ex.Value(_, inner):
            return may_be_list(inner, language)
        case ex.Path(text, fragment):
            return fragment is not None or language.grammar.many(text)
        case ex.Ref(_, key):
            return not key
        case ex.Call(("join" | "words" | "concat"), _):
            return False
        case ex.Call("split", _) | ex.Call("coding", (_, _, _)):
            return True
        case ex.Call(_, arguments):
            return bool(arguments) and may_be_list(arguments[0], language)
        case ex.Either(items):
            return any(may_be_list(item, language) for item in items)
        case ex.Choice(_, then, otherwise):
            return may_be_list(then, language) or (otherwise is not None and may_be_list(otherwise, language))
        case _:
            return False


_WORDS = frozenset(("upper", "lower", "title", "replace", "match", "uri", "table", "ucum", "token", "code"))


def kind_of(expression: ex.Expression, language: Language) -> str:
    """TRUTH for what is always true or false, TEXT for what is always text or nothing, else ``."""
    match expression:
        case ex.Both() | ex.Not() | ex.Compare() | ex.Literal(bool()):
            return TRUTH
        case ex.Literal(str()) | ex.System() | ex.Call("words" | "concat"):
            return TEXT
        case ex.Path(text, None):
            return TEXT if language.format == "hl7v2" and not language.grammar.many(text) else ""
        case ex.Value(_, inner):
            return kind_of(inner, language)
        case ex.Call(name, (value, *_)) if name in _WORDS:
            return TEXT if kind_of(value, language) == TEXT else ""
        case ex.Either(items):
            return _common(items, language)
        case ex.Choice(_, then, otherwise) if otherwise is not None:
            return _common((then, otherwise), language)
        case ex.Choice(_, then, None):
            return TEXT if kind_of(then, language) == TEXT else ""
        case _:
            return ""


def _common(items: tuple[ex.Expression, ...], language: Language) -> str:
    kinds = {kind_of(item, language) for item in items}
    return kinds.pop() if len(kinds) == 1 else ""
