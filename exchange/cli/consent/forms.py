"""`exchange consent form`: what people sign, printed in their language."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.cli.common import settings
from exchange.consent.proof.forms import Language, markdown, read_forms
from exchange.content import read_tree
from exchange.model.errors import ContentError

app = typer.Typer()


@app.command()
def form(
    name: Annotated[str, typer.Argument(help="Name of the form, e.g. part2 or opt-out.")],
    language: Annotated[Language, typer.Option(help="Language it is printed in.")] = "en",
) -> None:
    """Print a consent form as Markdown, after checking that its sentences say what its consent means."""
    forms = read_forms(read_tree(settings().home / "consent"))
    if name not in forms:
        raise ContentError("no such form", field=name, valid=sorted(forms))
    typer.echo(markdown(forms[name], language), nl=False)
