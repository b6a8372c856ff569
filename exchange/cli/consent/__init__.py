"""`exchange consent`: what a privacy officer does with rules and consents, one file for each idea."""

import typer

from exchange.cli.consent import explaining, forms, late, officers, proving, revoking, simulating, trying

app = typer.Typer(
    help="Rules and consents: run the cases, look for mistakes, prove the promises, explain why somebody sees"
    " a record or not."
)
for module in (trying, proving, simulating, explaining, revoking, forms, officers, late):
    app.registered_commands += module.app.registered_commands
app.add_typer(officers.officer, name="officer")

__all__ = ["app"]
