"""The `groups:` of an HL7 v2 map, checked."""

from __future__ import annotations

from exchange.mapping.compile_expression import wrong_path
from exchange.mapping.content import Node
from exchange.mapping.language import Spot
from exchange.mapping.paths.names import GROUP_NAME, check_field, check_segment
from exchange.mapping.paths.places import GroupRule

_GROUP_FIELDS = ("starts", "members", "same", "same_when", "distinct", "own", "before")


def group_rule(name: str, node: Node) -> GroupRule:
    """The rule of a group; ContentError for a name that is no segment, a path that is no field."""
    table = node.table(f"groups.{name}", _GROUP_FIELDS)
    if not GROUP_NAME.fullmatch(name):
        raise node.fail("a group has a lower-case name", f"groups.{name}")
    if "starts" not in table:
        raise node.fail("a group needs `starts`", f"groups.{name}.starts")
    texts = {
        key: tuple(_group_text(item, f"groups.{name}.{key}", key) for item in value.items())
        for key, value in table.items()
    }
    if "same_when" in texts and "same" not in texts:
        raise table["same_when"].fail("`same_when` needs `same`", f"groups.{name}.same_when")
    return GroupRule(
        starts=texts["starts"],
        members=frozenset(texts.get("members", ())),
        same=texts.get("same", ()),
        same_when=texts.get("same_when", ()),
        distinct=texts.get("distinct", ()),
        own=frozenset(texts.get("own", ())),
        before=frozenset(texts.get("before", ())),
    )


def _group_text(node: Node, field: str, key: str) -> str:
    """A segment name, or a path of `same` and `distinct`, checked."""
    text = node.text(field)
    try:
        if key in ("starts", "members", "own", "before"):
            check_segment(text)
        elif key != "same_when":
            check_field(text)
    except ValueError as error:
        raise wrong_path(error, Spot(node, field)) from None
    return text
