"""What the commands share: settings, the open exchange, tables and JSON on standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from exchange.app import Exchange, open_exchange
from exchange.settings import Settings, load_settings

# A pipe has no width of its own; 80 columns would break the balance sheet.
console = Console(width=None if sys.stdout.isatty() else 130)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script instead of a table.")]
PartnerArgument = Annotated[str, typer.Argument(help="Folder name of the partner in mappings/.")]


def settings() -> Settings:
    """Settings from the environment."""
    return load_settings()


def exchange() -> Exchange:
    """The exchange of this folder, opened."""
    return open_exchange(load_settings())


def print_json(value: Any) -> None:
    """One JSON document on standard output; dataclasses as objects, times as ISO text."""
    typer.echo(orjson.dumps(_plain(value), option=orjson.OPT_INDENT_2).decode())


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table; numbers are set to the right."""
    found = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        # Long words are broken, not cut: a file's name ends with the line.
        found.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        found.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(found)


def step_progress() -> tuple[Progress, Callable[[str, int, int], None]]:
    """A progress display and the function that a run reports its steps to."""
    progress = Progress(
        TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    )  # fmt: skip
    tasks: dict[str, Any] = {}

    def report(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = progress.add_task(step, total=max(total, 1))
        progress.update(tasks[step], completed=done if total else 1, total=max(total, 1))

    return progress, report
