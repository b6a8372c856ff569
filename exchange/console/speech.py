"""Names and codes as a page says them to its reader; a code that has no words stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from exchange.app import Exchange
from exchange.app.privacy.accountings import words_of
from exchange.console.codes import CODES
from exchange.console.language import catalogue
from exchange.console.reasons import told
from exchange.console.words import PLAIN

KINDS = (
    "say",
    "place",
    "participant",
    "participants",
    "looker",
    "label",
    "labels",
    "purpose",
    "type",
    "rules",
)
"""Kinds of columns that are said by the method of that name."""


@dataclass(frozen=True)
class Speech:
    """One language, over the content of an exchange."""

    language: str
    exchange: Exchange

    def say(self, text: str) -> str:
        """A text or code of ours, or a title of the content, in the language; else the text."""
        if text not in self._said:
            self._said[text] = self._sought(text) if text else text
        return self._said[text]

    def _sought(self, text: str) -> str:
        words = PLAIN.get(text, text)
        found = catalogue(self.language).gettext(words)
        return self._content.get(words, words) if found == words else found

    def finding(self, text: str) -> str | None:
        """What was found, in the language; None for words that are not ours and stay as they are."""
        return told(text, self.say) if text else text

    def word(self, kind: str, code: str | None) -> str:
        """A code of a kind in words."""
        known = CODES[kind].get(code or "")
        return self.say(known) if known else code or "–"

    def participant(self, code: str | None) -> str:
        """The name of an organization; of somebody at the console, whose account it is."""
        if code == "exchange":
            return self.word("organization", code)
        if code and code.startswith("account "):
            return self.say("account %(login)s") % {"login": code.removeprefix("account ")}
        found = self.exchange.partners.get(code or "")
        return found.organization.name if found else self.say(code or "–")

    def place(self, text: str) -> str:
        """Where something stands: a line in words, all else as it is."""
        line = re.fullmatch(r"line (\d+)", text)
        return self.say("line %(line)s") % {"line": line[1]} if line else text

    def looker(self, who: str) -> str:
        """Who looks: an account, or a participant's user."""
        kind, _, rest = who.partition(" ")
        if kind != "user":
            return self.participant(who)
        participant, _, user = rest.partition(" ")
        words = {"user": user, "participant": self.participant(participant)}
        return self.say("user %(user)s of %(participant)s") % words

    def participants(self, codes: Iterable[str]) -> str:
        """Names of organizations in a row."""
        return ", ".join(map(self.participant, codes))

    def label(self, code: str) -> str:
        """What a record reveals, and its code."""
        title = self._labels.get(code)
        return f"{self.say(title)} ({code})" if title else code

    def labels(self, codes: Iterable[str]) -> str:
        """Labels in a row; a dash for none."""
        return ", ".join(map(self.label, codes)) or "–"

    def purpose(self, code: str | None) -> str:
        """Why somebody asks, and its code; several are parted by a space."""
        return ", ".join(self._named("purpose", one) for one in (code or "").split()) or "–"

    def type(self, code: str) -> str:
        """What kind of record, and its resource type."""
        return self._named("type", code)

    def rules(self, ids: Iterable[str]) -> str:
        """Titles of the rules; of a consent, that it is the person's own."""
        return "; ".join(dict.fromkeys(map(self.rule, ids)))

    def rule(self, name: str) -> str:
        """The title of a rule."""
        if name == "consent" or name.startswith("consent:"):
            return self.say("the person's own consent")
        return self.say(self._titles.get(name, name))

    def condition(self, where: str, values: str) -> tuple[str, str]:
        """What a rule asks, and which values it takes."""
        kind = "domain" if where == "domain" else "organization" if where.endswith(" type") else "value"
        named = {"record label": self.label, "purpose": self.purpose, "record type": self.type}
        said = named.get(where, partial(self.word, kind))
        return self.word("condition", where), ", ".join(map(said, values.split(", ")))

    def recipient(self, code: str) -> str:
        """Whom a form names: an organization, or a class of them."""
        found = self.exchange.context.rules.vocabulary.file.groups.get(code.removeprefix("group:"))
        return self.say(found.title) if found else self.participant(code)

    def shown(self, kind: str, value: Any) -> str:
        """A value of a column as its cell reads: of `KINDS`, a code of `word:…` or `mark:…`, or our words."""
        if kind.startswith(("word:", "mark:")):
            return self.word(kind[len("word:") :], value)
        if value is None or value == "" or value == ():
            return "–"
        if kind == "finding":
            return self.finding(str(value)) or str(value)
        if kind in ("translated", "mark"):
            return self.say(str(value))
        return str(getattr(self, kind)(value)) if kind in KINDS else str(value)

    def _named(self, kind: str, code: str) -> str:
        if kind == "purpose" and code in CODES["purpose"]:
            return f"{self.word(kind, code)} ({code})"
        language = "uk" if self.language == "uk" else "es" if self.language == "es" else "en"
        found = words_of(language).get(f"{kind}.{code}")
        return f"{found} ({code})" if found else code

    @cached_property
    def _said(self) -> dict[str, str]:
        """What was said once; a list says the same words a thousand times."""
        return {}

    @cached_property
    def _content(self) -> Mapping[str, str]:
        return self.exchange.words.get(self.language, {})

    @cached_property
    def _titles(self) -> Mapping[str, str]:
        return {rule.policy.id: rule.policy.title for rule in self.exchange.context.rules.rules}

    @cached_property
    def _labels(self) -> Mapping[str, str]:
        words = self.exchange.context.rules.vocabulary.file
        kinds = (words.sensitivity, words.law, words.programs)
        return {code: label.title for kind in kinds for code, label in kind.items()}
