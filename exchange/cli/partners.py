"""`exchange partner`: who takes part, is a folder right, start a new one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, get_args
from zoneinfo import ZoneInfo

import typer

from exchange.app import content, find_partner, partner_environment
from exchange.app.partners.fhir_versions import declared_version
from exchange.app.partners.folders import Surveyed, survey
from exchange.app.partners.partners import (
    check_partner,
    check_purposes,
    expected_issues,
    new_partner,
    sample_documents,
)
from exchange.app.partners.proposing import propose
from exchange.cli.common import JsonOption, PartnerArgument, console, print_json, settings, table
from exchange.connectors import unset_in_channels, unset_names
from exchange.content import read_samples
from exchange.formats.overlooked import overlooked
from exchange.formats.profile import profile_table
from exchange.formats.table_layout import layout
from exchange.model.errors import ContentError
from exchange.model.partner import DEFAULT_TIMEZONE
from exchange.model.records import Format, Issue

_NAMED = 20
"""Files told by name; of more only the number."""

app = typer.Typer(help="The participants: list them, check a folder, start a new one.")


@app.command(name="list")
def list_partners(json: JsonOption = False) -> None:
    """Everyone in mappings/: what they send and how, what they may ask for."""
    _, partners, _ = content(settings())
    if json:
        print_json([partner.model_dump(mode="json") for partner in partners.values()])
        return
    table(
        "Participants",
        ["code", "type", "sends", "by", "schedule", "asks for"],
        [
            [
                p.code, p.organization.type, ", ".join(p.feeds) or "nothing",
                p.connector.type if p.connector else "", p.schedule or "", ", ".join(p.requests.purposes),
            ]
            for p in partners.values()
        ],
    )  # fmt: skip


@app.command()
def check(
    partner: PartnerArgument,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Try these files instead of mappings/PARTNER/samples.", exists=True, file_okay=False
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Load a partner's folder completely and map its samples. Stores nothing.

    Tells resources, labels, issues, codes that no code map has, and what no row of a map reads.

    Ends with 1 when a sample has an error that expected/ does not name.

    Example: [bold]exchange partner check good_table[/bold]
    """
    found_settings = settings()
    mappings, partners, context = content(found_settings)
    found = find_partner(partners, partner)
    samples = folder or found_settings.home / "mappings" / partner / "samples"
    documents = sample_documents(found, samples) if samples.is_dir() else []
    environment = partner_environment(found_settings)
    unset = sorted({*unset_names(found, environment), *unset_in_channels(found, environment)})
    check_purposes(found, context.rules)
    checked = check_partner(mappings, found, context.rules, documents)
    if json:
        print_json(checked)
    else:
        console.print(f"{partner}: partner.yaml and {len(found.feeds)} feed(s) are right")
        if unset:
            console.print(
                f"not set in this environment, needed by a run: {', '.join(unset)}", highlight=False
            )
        console.print(f"{checked.records} records from {len(documents)} file(s)")
        table("Resources", ["type", "count"], list(checked.resources.items()))
        table("Labels", ["label", "resources"], list(checked.labels.items()))
        kinds = Counter((i.severity, i.code, i.expression, i.detail) for i in checked.issues)
        table(
            "Issues", ["severity", "code", "element", "reason", "count"],
            [[*kind, count] for kind, count in kinds.most_common(40)],
        )  # fmt: skip
        table("In no code map", ["code", "records"], list(checked.unmapped.items())[:40])
        table("Read by no row of the map", ["position", "records"], list(checked.unread.items())[:40])
    expected = expected_issues(read_samples(found_settings.home / "mappings", partner))
    raise typer.Exit(1 if not folder and checked.unexpected(expected) else 0)


@app.command()
def new(
    code: Annotated[str, typer.Argument(help="Folder name for the partner, e.g. maple_clinic.")],
    format: Annotated[
        str | None,
        typer.Option(
            help=f"What it sends: {', '.join(get_args(Format))}; left out, told by the files of the folder."
        ),
    ] = None,
    folder: Annotated[
        str | None, typer.Option(help="Where its files are; edit partner.yaml for other transports.")
    ] = None,
    match: Annotated[str | None, typer.Option(help="Pattern of its files' names, e.g. '*.ccda'.")] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="Propose a map for this spreadsheet.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Start a partner's folder in mappings/: partner.yaml with comments, room for samples and codes.

    Then: [bold]exchange partner check CODE --folder FILES[/bold] and [bold]exchange run CODE[/bold]
    """
    if format is not None and format not in get_args(Format):
        raise ContentError("no such format", field=format, valid=get_args(Format))
    if folder is None and from_ is None:
        raise ContentError("say where the files are", field="folder")
    folder = folder or str((from_ or Path()).parent)
    proposal, saved, left_out = None, None, list[Issue]()
    if from_:
        payload = from_.read_bytes()
        saved = layout(payload)
        columns = profile_table(payload, saved)
        proposal, left_out = propose(columns, from_.name), overlooked(payload, saved, columns)
    home = settings().home / "mappings"
    local = Path(folder).resolve()
    path = folder if "://" in folder else str(local)
    # In the zone in which partner.yaml is read: in UTC it may be tomorrow there, and nothing would enter.
    today = datetime.now(ZoneInfo(DEFAULT_TIMEZONE)).date().isoformat()
    told: Format | None = "delimited" if from_ else format  # type: ignore[assignment]
    seen = survey(local, told) if match is None and local.is_dir() else None
    kind = told or (seen.format if seen else "delimited")
    pattern = match or (seen.match if seen else None)
    version = declared_version(local) if kind == "fhir_json" and local.is_dir() else ""
    for written in new_partner(home, code, kind, path, today, pattern, proposal, saved, version):
        console.print(f"wrote {written.relative_to(home.parent)}", highlight=False)
    if version:
        console.print(f"resources are of FHIR {version}: partner.yaml declares it", highlight=False)
    for issue in left_out:
        column = f"column `{issue.expression}` ({issue.position}, for example)"
        console.print(f"{column}: {issue.detail}", highlight=False, markup=False)
    if seen is not None:
        _tell(seen)
    elif match is None and local.is_dir():
        console.print(f"no file there looks like {kind} yet; see `match` in partner.yaml", highlight=False)
        if told is None:
            console.print(f"nothing there tells its format: --format says {_formats()}", highlight=False)
    if kind == "delimited" and from_ is None:
        console.print("the map is a beginning; --from FILE proposes one by the columns", highlight=False)
    console.print(f"next: exchange partner check {code} --folder {folder}", highlight=False)


def _formats() -> str:
    return ", ".join(get_args(Format))


def _tell(seen: Surveyed) -> None:
    """What a run will take from the folder, and what not."""
    console.print(
        f'{seen.files:,} files of format {seen.format}; match "{seen.match}" takes them', highlight=False
    )
    for names, what in (
        (seen.others, "is not taken"),
        (seen.strange, f"looks like something else than {seen.format}, and would wait in quarantine"),
    ):
        for name in names[:_NAMED]:
            console.print(f"{name}: {what}", highlight=False, markup=False)
        if len(names) > _NAMED:
            console.print(f"… and {len(names) - _NAMED:,} more: {what}", highlight=False)


@app.command()
def profile(
    file: Annotated[Path, typer.Argument(help="A delimited file.", exists=True, dir_okay=False)],
    delimiter: Annotated[
        str | None, typer.Option(help="What stands between two columns (default: as the header looks).")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the file (default: as its bytes look).")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say what the columns of a spreadsheet look like, to write its map; shows no value of it."""
    payload = file.read_bytes()
    seen = layout(payload)
    saved = replace(seen, delimiter=delimiter or seen.delimiter, encoding=encoding or seen.encoding)
    columns = profile_table(payload, saved)
    if json:
        print_json(columns)
        return
    table(
        "Columns",
        ["column", "filled", "distinct", "longest", "key?", "looks like"],
        [
            [c.name, f"{c.filled:.0%}", c.distinct, c.longest, "yes" if c.unique else "", c.looks_like]
            for c in columns
        ],
    )
