"""Map files become compiled maps; everything that can be wrong is found here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from uuid import UUID
from zoneinfo import ZoneInfo

from exchange.mapping import expression as ex
from exchange.mapping.carried import Carried, carried
from exchange.mapping.codes import load_code_maps
from exchange.mapping.compile_elements import EACH, compile_places
from exchange.mapping.compile_entries import compile_entries, resource_type, with_likes
from exchange.mapping.compile_expression import compile_expression, parse_expression
from exchange.mapping.content import INHERITED, Node, merge, read_yaml, walk
from exchange.mapping.entries import Entry, MessageKind
from exchange.mapping.fhir_feed import FhirFeed, fhir_feed
from exchange.mapping.groups import group_rule
from exchange.mapping.language import Language, Spot
from exchange.mapping.outcomes import check_outcomes
from exchange.mapping.paths.columns import columns_grammar
from exchange.mapping.paths.grammar import Grammar, Reader
from exchange.mapping.paths.json_path import fhir_grammar, json_grammar
from exchange.mapping.paths.observed import observed_grammar
from exchange.mapping.paths.places import SEGMENTS
from exchange.mapping.paths.segments import segments_grammar
from exchange.mapping.paths.xpath import xpath_grammar
from exchange.mapping.refusals import Refusal, refusals
from exchange.mapping.run import partner_namespace
from exchange.mapping.source import Write, called, reader
from exchange.model.errors import ContentError
from exchange.model.fhir_types import Element
from exchange.model.partner import Feed, Partner
from exchange.model.records import Files, Format

MAP_FIELDS = (
    "format",
    "use",
    "note",
    "groups",
    "values",
    "types",
    "messages",
    "entries",
    "merges",
    "refuse",
    "carried",
)
_MESSAGE_TYPE = re.compile(r"[A-Z]{3}\^[A-Z][A-Z0-9]{2}")
_A_PATIENT = Element("", "Reference", targets=("Patient",))
_FORMATS: tuple[Format, ...] = ("hl7v2", "ccda", "delimited", "fhir_json", "hsds_json", "x12")


@dataclass(frozen=True, slots=True)
class MergeRule:
    """Where a record says that two of the partner's Patients are one; both readers give References.

    A message of HL7 v2 without one of each that it `needs` says nothing of the kind.
    """

    each: Reader | None
    survivor: Reader
    loser: Reader
    needs: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class FeedMap:
    """The compiled map of one feed; `messages` holds entry names by HL7 v2 message type."""

    language: Language
    entries: Mapping[str, Entry]
    messages: Mapping[str, MessageKind]
    by_type: Mapping[str, tuple[Entry, ...]]
    merges: tuple[MergeRule, ...]
    refusals: tuple[Refusal, ...]
    carried: tuple[Carried, ...]
    fhir: FhirFeed


@dataclass(frozen=True, slots=True)
class Maps:
    """All maps of a partner; `digest` changes when any file they were made from changes."""

    partner: Partner
    namespace: UUID
    digest: str
    feeds: Mapping[str, FeedMap]
    files: Files


def load_maps(files: Files, partner: Partner) -> Maps:
    """The maps of every feed, compiled; ContentError with file, line, field and valid values."""
    return _load(_content(files, partner, observed=False))


def observed_maps(maps: Maps) -> Maps:
    """The same maps compiled so that each row tells what it gave."""
    return _load(_content(maps.files, maps.partner, observed=True))


@dataclass(frozen=True, slots=True)
class _Content:
    """What a partner's maps are made from: the same digest, the same maps."""

    digest: str
    observed: bool
    files: Files = field(compare=False, repr=False)
    partner: Partner = field(compare=False, repr=False)


def _content(files: Files, partner: Partner, *, observed: bool) -> _Content:
    return _Content(_digest({**files, "": partner.model_dump_json()}), observed, files, partner)


@lru_cache(maxsize=16)  # of tens of megabytes each
def _load(content: _Content) -> Maps:
    """Large maps take seconds: made once, however often an exchange is opened by the same content."""
    files, partner = content.files, content.partner
    codes = {path: text for path, text in files.items() if _is_code_map(path, partner)}
    used: dict[str, str] = {}
    feeds = {}
    for name, feed in partner.feeds.items():
        read: dict[str, str] = {}
        root = _read_map(feed.map, files, partner, read, ())
        used |= read
        digest = _digest({**read, **codes, "": feed.model_dump_json(), "/": _said_of(partner)})
        feeds[name] = _feed_map(_FeedContent(digest, content.observed, root, feed, files, partner))
    return Maps(partner, partner_namespace(partner.namespace), _digest({**used, **codes}), feeds, files)


@dataclass(frozen=True, slots=True)
class _FeedContent:
    """What one map is made from: it knows neither the partner's address nor its schedule."""

    digest: str
    observed: bool
    root: Node = field(compare=False, repr=False)
    feed: Feed = field(compare=False, repr=False)
    files: Files = field(compare=False, repr=False)
    partner: Partner = field(compare=False, repr=False)


def _said_of(partner: Partner) -> str:
    """All that a map may know of whoever sends."""
    return partner.model_dump_json(include={"code", "namespace", "organization", "timezone"})


@lru_cache(maxsize=64)  # of some megabytes each, twenty at most
def _feed_map(content: _FeedContent) -> FeedMap:
    return _compile(content.root, content.feed, content.files, content.partner, content.observed)


def _is_code_map(path: str, partner: Partner) -> bool:
    return path.startswith(("_shared/codes/", f"{partner.code}/codes/")) and path.endswith(".csv")


def _digest(files: Mapping[str, str]) -> str:
    digest = sha256()
    for path in sorted(files):
        digest.update(f"{path}\0{len(files[path])}\0{files[path]}\0".encode())
    return digest.hexdigest()


def _read_map(
    path: str, files: Files, partner: Partner, used: dict[str, str], above: tuple[str, ...]
) -> Node:
    """One map file laid over everything it uses."""
    name = next((found for found in (path, f"{partner.code}/{path}") if found in files), None)
    if name is None:
        known = [file for file in files if file.endswith(".map.yaml")]
        raise ContentError(
            f"no map `{path}`", file=above[-1] if above else f"{partner.code}/partner.yaml", valid=known
        )
    if name in above:
        raise ContentError("`use` goes in a circle", file=name, field="use")
    used[name] = files[name]
    own = read_yaml(files[name], name)
    table = own.table("", MAP_FIELDS)
    merged = Node({}, own.file, own.line)
    for item in table["use"].items() if "use" in table else []:
        merged = merge(merged, _read_map(item.text("use"), files, partner, used, (*above, name)))
    return merge(merged, own)


def _compile(root: Node, feed: Feed, files: Files, partner: Partner, observed: bool) -> FeedMap:
    table = root.table("", MAP_FIELDS)
    _check_format(root, table, feed)
    _check_inherited(root)
    nodes = with_likes(table["entries"].table("entries")) if "entries" in table else {}
    if not nodes:
        raise root.fail("a map needs `entries`", "entries")
    language = Language(
        format=feed.format,
        grammar=_observable(_grammar(table, feed), feed.format, observed),
        sender={
            "namespace": partner.namespace,
            "npi": partner.organization.npi,
            "name": partner.organization.name,
        },
        zone=ZoneInfo(partner.timezone),
        values=table["values"].table("values") if "values" in table else {},
        types=table["types"].table("types") if "types" in table else {},
        entries={name: resource_type(name, node) for name, node in nodes.items()},
        codes=load_code_maps(files, partner.code),
        groups=frozenset(table["groups"].value) if "groups" in table else frozenset(),
        observed=observed,
    )
    entries = compile_entries(nodes, language)
    _check_unused(language)
    return FeedMap(
        language=language,
        entries=entries,
        messages=_messages(table, entries, root, feed),
        by_type=_by_type(entries),
        merges=tuple(_merge_rule(item, language) for item in table["merges"].items())
        if "merges" in table
        else (),
        refusals=refusals(table["refuse"], language) if "refuse" in table else (),
        carried=carried(table["carried"], language) if "carried" in table else (),
        fhir=fhir_feed(feed, f"{partner.code}/partner.yaml"),
    )


def _check_unused(language: Language) -> None:
    """Values and fragments that no entry of this map uses are read as well: another map may use them."""
    for name, node in language.values.items():
        _check_part(Spot(node, f"values.{name}"), language)
    for name, node in language.types.items():
        _check_part(Spot(node, f"types.{name}"), language)


def _check_part(spot: Spot, language: Language) -> None:
    content = spot.node.value
    if isinstance(content, dict):
        for name, node in content.items():
            if name == EACH:
                compile_places(node, language, spot)
            else:
                _check_part(spot.at(node, f"{spot.element}.{name}"), language)
    elif isinstance(content, list):
        for node in content:
            _check_part(spot.at(node), language)
    else:
        compile_expression(parse_expression(language, spot), language, spot, _any_fragment)


def _any_fragment(language: Language, path: ex.Path, spot: Spot) -> Write:
    if path.fragment not in language.types:
        raise spot.node.fail(f"`{path.fragment}` is no fragment", spot.element, language.types)
    return called(language.grammar.nodes(path.text))


def _check_inherited(root: Node) -> None:
    for node in walk(root):
        if node.value == INHERITED:
            raise node.fail("`...` stands first in a list that the maps it uses have, too", INHERITED)


def _check_format(root: Node, table: Mapping[str, Node], feed: Feed) -> None:
    declared = table["format"].value if "format" in table else None
    if declared not in _FORMATS:
        raise root.fail("a map names the `format` it reads", f"format.{declared}", _FORMATS)
    if declared != feed.format:
        raise table["format"].fail(f"the feed is {feed.format}", "format", [feed.format])


def _grammar(table: Mapping[str, Node], feed: Feed) -> Grammar:
    kind = feed.format
    for name in ("groups", "messages"):
        if name in table and kind != "hl7v2":
            raise table[name].fail("only an hl7v2 map has this", name)
    if kind == "hl7v2":
        groups = table["groups"].table("groups") if "groups" in table else {}
        return segments_grammar({name: group_rule(name, node) for name, node in groups.items()})
    if kind == "ccda":
        return xpath_grammar()
    if kind == "delimited":
        joined = tuple(name for join in feed.joins() for name in join.take)
        declared = tuple(feed.options.get("columns") or ())
        return columns_grammar((*declared, *joined) if declared else ())
    return fhir_grammar() if kind == "fhir_json" else json_grammar()


def _observable(grammar: Grammar, kind: Format, observed: bool) -> Grammar:
    return observed_grammar(grammar, kind) if observed else grammar


def _messages(
    table: Mapping[str, Node], entries: Mapping[str, Entry], root: Node, feed: Feed
) -> dict[str, MessageKind]:
    if feed.format != "hl7v2":
        return {}
    if "messages" not in table:
        raise root.fail("an hl7v2 map needs `messages`: message type to entries", "messages")
    messages = {}
    for kind, node in table["messages"].table("messages").items():
        if not _MESSAGE_TYPE.fullmatch(kind):
            raise node.fail("a message type is written ADT^A01", f"messages.{kind}")
        names = [item.text(f"messages.{kind}") for item in node.items()]
        for name in names:
            if name not in entries:
                raise node.fail("no such entry", f"messages.{kind}.{name}", entries)
        messages[kind] = MessageKind(tuple(entries[name] for name in names))
    reached = {entry.name for made in messages.values() for entry in made.entries}
    for name in entries:
        if name not in reached:
            raise (
                root.table("")["entries"].value[name].fail("no message reaches this entry", f"entries.{name}")
            )
    return messages


def _by_type(entries: Mapping[str, Entry]) -> dict[str, tuple[Entry, ...]]:
    """Entries of a fhir_json map by the resource type they read."""
    by_type: dict[str, tuple[Entry, ...]] = {}
    for entry in entries.values():
        by_type[entry.resource] = (*by_type.get(entry.resource, ()), entry)
    return by_type


def _merge_rule(node: Node, language: Language) -> MergeRule:
    table = node.table("merges", ("each", "survivor", "loser"))
    for side in ("survivor", "loser"):
        if side not in table:
            raise node.fail(f"a merge needs `{side}`", f"merges.{side}")
    spot = Spot(node, "merges", place={"hl7v2": SEGMENTS, "fhir_json": "Patient"}.get(language.format, ""))
    each, place = compile_places(table["each"], language, spot) if "each" in table else (None, spot.place)
    inner = replace(spot, place=place)
    return MergeRule(
        each=each,
        survivor=_side(inner.at(table["survivor"], "merges.survivor"), language),
        loser=_side(inner.at(table["loser"], "merges.loser"), language),
        needs=_needed_by(inner.at(table["loser"], "merges.loser"), language),
    )


def _needed_by(spot: Spot, language: Language) -> tuple[frozenset[str], ...]:
    """What a reference to an entry needs; nothing is known of others."""
    found = parse_expression(language, spot)
    entry = language.targets.get(found.target) if isinstance(found, ex.Ref) and not found.key else None
    return () if entry is None else tuple(entry.needs)


def _side(spot: Spot, language: Language) -> Reader:
    expression = parse_expression(language, spot)
    check_outcomes(expression, _A_PATIENT, language, spot)
    return reader(compile_expression(expression, language, spot, _no_fragment), spot.element)


def _no_fragment(_language: Language, _path: object, spot: Spot) -> Write:
    raise spot.node.fail("a reference is needed here: `-> Patient(…)`", spot.element)
