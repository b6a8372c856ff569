"""A consent form as the sheet that is signed."""

from __future__ import annotations

from datetime import datetime

from exchange.consent.proof.forms import Form, Language
from exchange.formats.paper import Paper
from exchange.formats.pdf import pdf


def form_as_pdf(form: Form, language: Language, made: datetime) -> bytes:
    """Its sentences, rights and the line for the signature in one language, to be printed."""
    says = [f"•  {text.in_(language)}" for text in form.says.values()]
    closing = [text.in_(language) for text in form.closing]
    return pdf(
        Paper(
            title=form.title.in_(language),
            language=language,
            blocks=[*says, "", *closing, "", "", form.signature.in_(language)],
            footer=f"Mosaic Exchange · {form.form}",
            made=made,
        )
    )
