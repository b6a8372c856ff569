"""`consent/forms/*.yaml`: what people sign, in their languages, each sentence tied to what it means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from exchange.consent.content import Content, load
from exchange.consent.proof.case_consents import Branch, ConsentForm, Terms
from exchange.model.errors import ContentError
from exchange.model.records import Files

Language = Literal["en", "es", "uk"]


class Texts(Content):
    """One sentence in every language the community reads."""

    en: str
    es: str
    uk: str

    def in_(self, language: Language) -> str:
        return str(getattr(self, language))


class Form(Content):
    """A form: its heading, the consent it produces, and a sentence for each term of that consent.

    A term is written like `permit.purpose.TREAT` or `deny.label.PSYTHPN`; `closing` are rights and notices.
    """

    form: str
    title: Texts
    consent: ConsentForm
    says: dict[str, Texts]
    closing: tuple[Texts, ...]
    signature: Texts


def read_forms(files: Files) -> dict[str, Form]:
    """By name. Raises ContentError where the sentences and the consent do not say the same."""
    found: dict[str, Form] = {}
    for name in sorted(file for file in files if file.startswith("forms/")):
        form, _ = load(Form, name, files[name])
        meant = set(terms(form.consent))
        for term in sorted(meant ^ form.says.keys()):
            fault = "no sentence says it" if term in meant else "the consent does not mean it"
            raise ContentError(fault, file=name, field=f"says.{term}", valid=sorted(meant))
        found[form.form] = form
    return found


def terms(branch: Branch) -> Iterator[str]:
    """Everything the consent means, the exceptions too."""
    effect = "permit" if branch.permit is not None else "deny"
    for field, value in (branch.permit or branch.deny or Terms()).model_dump(exclude_defaults=True).items():
        values = value if isinstance(value, tuple | list) else [value]
        yield from (f"{effect}.{field}.{item}" for item in values)
    for child in branch.exceptions:
        yield from terms(child)


def markdown(form: Form, language: Language) -> str:
    """The form as it is printed and signed."""
    permits = [text.in_(language) for term, text in form.says.items() if term.startswith("permit.")]
    refuses = [text.in_(language) for term, text in form.says.items() if term.startswith("deny.")]
    parts = [f"# {form.title.in_(language)}", *(f"- {text}" for text in permits)]
    parts += [f"- **{text}**" for text in refuses]
    parts += [text.in_(language) for text in form.closing]
    return "\n\n".join([*parts, form.signature.in_(language), ""])
