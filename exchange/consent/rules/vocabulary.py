"""`consent/vocabulary.yaml`: the closed set of words, and what covers what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydantic import Field

from exchange.consent.clinical_dates import Reading
from exchange.consent.content import Content, Lines, line_of, load
from exchange.model.errors import ContentError
from exchange.model.partner import OrganizationType

Cover = Mapping[str, frozenset[str]]
"""For each code, the codes it reaches."""


class Term(Content):
    """A label; `within`: the broader one, `makes`: its confidentiality, `reveals`: what follows from it.

    `follows`: the references over which a law or program reaches the records that refer to one under it; a
    sensitivity follows all but `references_not_followed`.
    """

    title: str
    within: str | None = None
    makes: str | None = None
    reveals: str | None = None
    follows: tuple[str, ...] = ()


class Purpose(Content):
    """A purpose of use; `within` is the broader one."""

    within: str | None = None


class Alias(Content):
    """A retired or foreign code and the labels it stands for."""

    system: str
    code: str
    means: tuple[str, ...]


class Domain(Content):
    """Which consents belong here and what their answers count for; `permits` False: only for refusals.

    `only_source`: its permits speak of the records of the organizations it was given to; `only_labelled`:
    they open those that bear one of these labels.
    """

    categories: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    permits: bool = True
    opens: bool = False
    limits: bool = False
    only_source: bool = False
    only_labelled: tuple[str, ...] = ()
    yields: bool = False


class Group(Content):
    """A class of recipients, given by facts about participants."""

    title: str
    types: tuple[OrganizationType, ...] = ()
    covered_entity: bool | None = None


class CodeSystem(Content):
    """A clinical code system; `also` are its other names, `shape` what a code (without dots) looks like.

    `listed_in_part`: what a code means follows from others that our lists do not have; one that they do not
    name could not be read.
    """

    uri: str
    also: tuple[str, ...] = ()
    shape: str | None = None
    dotless: bool = False
    listed_in_part: bool = False


class VocabularyFile(Content):
    """The file as it is written."""

    files: tuple[str, ...] = ()
    confidentiality: tuple[str, ...]
    sensitivity: dict[str, Term]
    law: dict[str, Term]
    programs: dict[str, Term]
    handling: tuple[str, ...]
    families: tuple[tuple[str, ...], ...]
    equivalents: tuple[tuple[str, ...], ...]
    aliases: tuple[Alias, ...]
    purposes: dict[str, Purpose]
    not_inherited: dict[str, tuple[str, ...]]
    emergency_purposes: tuple[str, ...]
    collects_for: tuple[str, ...]
    domains: dict[str, Domain]
    groups: dict[str, Group]
    obligations: dict[str, str]
    break_glass_fields: tuple[str, ...]
    data_period: Reading = "clinical"
    all_packs: tuple[str, ...]
    packs: tuple[str, ...]
    packs_off: tuple[str, ...] = ()
    references_not_followed: tuple[str, ...]
    code_systems: tuple[CodeSystem, ...]
    administrative_systems: tuple[str, ...]
    directory_types: tuple[str, ...]
    removable: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    free_text: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    free_text_kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The words with everything that follows from them worked out.

    `permits` and `denies` say for a label in a provision which atoms it reaches, and `denies_surely` those of
    them that are meant by it, and not only near to what is; `granted` and `refused` the same for purposes.
    `marks` are labels that are no atoms: law, programs, handling. `follows`: the names of the references over
    which some of them reach other records.
    """

    file: VocabularyFile
    levels: Mapping[str, int]
    atoms: frozenset[str]
    marks: frozenset[str]
    makes: Mapping[str, str]
    reveals: Mapping[str, str]
    follows: Mapping[str, frozenset[str]]
    permits: Cover
    denies: Cover
    denies_surely: Cover
    granted: Cover
    refused: Cover
    aliases: Mapping[tuple[str, str], tuple[str, ...]]

    def passed_on(self, codes: frozenset[str], reference: str) -> frozenset[str]:
        """Those of a record's labels that reach what refers to it by a reference of that name."""
        marks = {code for code, names in self.follows.items() if reference in names}
        over_all = self.atoms if reference not in self.file.references_not_followed else frozenset()
        return codes & (over_all | marks)

    def knows(self, label: str) -> bool:
        return label in self.atoms or label in self.marks

    def domains_of(self, categories: tuple[str, ...], policies: tuple[str, ...]) -> tuple[str, ...]:
        """The domains a consent speaks in; `unclassified` when no row of the table matches."""
        return _domains_of(self, categories, policies)


def parse_vocabulary(file: str, text: str) -> Vocabulary:
    """Raises ContentError for a word that leads nowhere."""
    read, lines = load(VocabularyFile, file, text)
    _check(read, file, lines)
    terms = {**read.sensitivity, **read.law, **read.programs}
    down = _descendants({code: term.within for code, term in read.sensitivity.items()})
    purposes = _descendants({code: purpose.within for code, purpose in read.purposes.items()})
    return Vocabulary(
        file=read,
        levels={level: rank for rank, level in enumerate(read.confidentiality)},
        atoms=frozenset(read.sensitivity),
        marks=frozenset(read.law) | frozenset(read.programs) | frozenset(read.handling),
        makes={code: term.makes for code, term in terms.items() if term.makes},
        reveals={code: term.reveals for code, term in terms.items() if term.reveals},
        follows={code: frozenset(term.follows) for code, term in terms.items() if term.follows},
        permits=_equivalent(down, read.equivalents),
        denies=_with_aliases(_families(_families(down, read.equivalents), read.families), read.aliases),
        denies_surely=_with_aliases(_with_members(down, (*read.equivalents, *read.families)), read.aliases),
        granted=_granted(purposes, read.not_inherited),
        refused=purposes,
        aliases={(alias.system, alias.code): alias.means for alias in read.aliases},
    )


def _descendants(within: Mapping[str, str | None]) -> dict[str, frozenset[str]]:
    """For each code itself and everything below it."""
    found: dict[str, set[str]] = {code: {code} for code in within}
    for code in within:
        above = within[code]
        while above is not None:
            found[above].add(code)
            above = within[above]
    return {code: frozenset(below) for code, below in found.items()}


def _equivalent(down: Cover, sets: Iterable[tuple[str, ...]]) -> dict[str, frozenset[str]]:
    """A code in a set covers the whole set, and what lies below it."""
    wider = dict(down)
    for members in sets:
        whole = frozenset().union(*(down[member] for member in members))
        wider |= {member: wider[member] | whole for member in members}
    return wider


def _families(down: Cover, sets: Iterable[tuple[str, ...]]) -> dict[str, frozenset[str]]:
    """A code that covers one of a set covers the whole set, and what lies below it."""
    wider = dict(down)
    for members in sets:
        whole = frozenset().union(*(down[member] for member in members))
        wider |= {code: wider[code] | whole for code, below in down.items() if not below.isdisjoint(members)}
    return wider


def _with_members(down: Cover, sets: Iterable[tuple[str, ...]]) -> dict[str, frozenset[str]]:
    """A code reaches what lies below it, and those that stand in a set with it: not what lies below these."""
    wider = dict(down)
    for members in sets:
        wider |= {member: wider[member] | frozenset(members) for member in members}
    return wider


def _with_aliases(cover: Cover, aliases: Iterable[Alias]) -> dict[str, frozenset[str]]:
    """A retired code in a denial denies what it stood for."""
    old = {
        alias.code: frozenset().union(*(cover[code] for code in alias.means if code in cover))
        for alias in aliases
        if alias.code not in cover and alias.system.endswith("v3-ActCode")
    }
    return {**cover, **{code: reached for code, reached in old.items() if reached}}


def _granted(purposes: Cover, not_inherited: Mapping[str, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    return {code: below - frozenset(not_inherited.get(code, ())) for code, below in purposes.items()}


@lru_cache(maxsize=4096)
def _domains_of(
    vocabulary: Vocabulary, categories: tuple[str, ...], policies: tuple[str, ...]
) -> tuple[str, ...]:
    domains = vocabulary.file.domains
    found = [
        name
        for name, domain in domains.items()
        if not set(domain.categories).isdisjoint(categories)
        or any(policy.startswith(prefix) for policy in policies for prefix in domain.policies)
    ]
    specific = [name for name in found if not domains[name].yields]
    return tuple(specific or found or ("unclassified",))


def _check(read: VocabularyFile, file: str, lines: Lines) -> None:
    marks = {*read.law, *read.programs, *read.handling}
    labels = {*read.sensitivity, *marks}
    levels = set(read.confidentiality)
    for kind, terms in (("sensitivity", read.sensitivity), ("law", read.law), ("programs", read.programs)):
        for code, term in terms.items():
            _known(term.within, read.sensitivity, (file, lines), kind, code, "within")
            _known(term.makes, levels, (file, lines), kind, code, "makes")
            _known(term.reveals, read.sensitivity, (file, lines), kind, code, "reveals")
    for code, purpose in read.purposes.items():
        _known(purpose.within, read.purposes, (file, lines), "purposes", code, "within")
    for code, excluded in read.not_inherited.items():
        _all_known((code, *excluded), read.purposes, (file, lines), "not_inherited", code)
    _all_known(read.emergency_purposes, read.purposes, (file, lines), "emergency_purposes")
    _all_known(read.packs, read.all_packs, (file, lines), "packs")
    _all_known(read.packs_off, set(read.all_packs) - set(read.packs), (file, lines), "packs_off")
    _all_known(read.collects_for, read.purposes, (file, lines), "collects_for")
    for name, sets in (("families", read.families), ("equivalents", read.equivalents)):
        for position, members in enumerate(sets):
            _all_known(members, read.sensitivity, (file, lines), name, position)
    for position, alias in enumerate(read.aliases):
        _all_known(alias.means, labels | levels, (file, lines), "aliases", position)
    _all_known(("general", "unclassified"), read.domains, (file, lines), "domains")
    for name, domain in read.domains.items():
        _all_known(domain.only_labelled, marks, (file, lines), "domains", name, "only_labelled")


def _all_known(
    words: Iterable[str], valid: Iterable[str], where: tuple[str, Lines], *path: str | int
) -> None:
    for word in words:
        _known(word, valid, where, *path)


def _known(word: str | None, valid: Iterable[str], where: tuple[str, Lines], *path: str | int) -> None:
    if word is not None and word not in set(valid):
        file, lines = where
        field = ".".join(str(part) for part in (*path, word))
        raise ContentError(
            "unknown word", file=file, line=line_of(lines, *path), field=field, valid=list(valid)
        )
