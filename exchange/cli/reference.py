"""docs/cli.md, written from the commands themselves: `python -m exchange.cli.reference > docs/cli.md`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import typer

_HEAD = """\
# The command line

Written by `python -m exchange.cli.reference > docs/cli.md`; a test compares.
`--help` after any command says the same."""


def reference(app: typer.Typer) -> str:
    """Every command with its arguments, options and exit codes, as Markdown."""
    root: Any = typer.main.get_command(app)
    exits = "\n".join(_exit_rows(root.epilog))
    sections = [text for name, command in root.commands.items() for text in _sections(command, name, 2)]
    return "\n\n".join([_HEAD, f"## Exit codes\n\n| code | meaning |\n|---|---|\n{exits}", *sections]) + "\n"


def commands(app: typer.Typer) -> dict[str, frozenset[str]]:
    """The options of each command by its words, e.g. `partner check`; groups have none."""
    root: Any = typer.main.get_command(app)
    return dict(_options(root, ""))


def _options(command: Any, words: str) -> Iterator[tuple[str, frozenset[str]]]:
    yield words, frozenset(o for p in _params(command, "option") for o in p.opts) | {"--help"}
    for name, child in getattr(command, "commands", {}).items():
        yield from _options(child, f"{words} {name}".strip())


def _exit_rows(meanings: str) -> Iterator[str]:
    text = " ".join(meanings.split()).removeprefix("Exit codes: ")
    for part in text.split(" · "):
        code, meaning = part.split(" ", 1)
        yield f"| {code} | {meaning} |"


def _sections(command: Any, words: str, level: int) -> Iterator[str]:
    """A group's own section and those of its commands, or the one of a command."""
    children = getattr(command, "commands", {})
    if children:
        yield f"{'#' * level} exchange {words}\n\n{_text(command.help)}"
        for name, child in children.items():
            yield from _sections(child, f"{words} {name}", level + 1)
        return
    rows = [_row(param) for kind in ("argument", "option") for param in _params(command, kind)]
    parts = [
        f"{'#' * level} exchange {words}",
        f"```console\n{_usage(command, words)}\n```",
        _text(command.help),
    ]
    if rows:
        parts.append("\n".join(["| argument or option | meaning | default |", "|---|---|---|", *rows]))
    yield "\n\n".join(parts)


def _params(command: Any, kind: str) -> list[Any]:
    return [p for p in command.params if p.param_type_name == kind and not p.hidden and p.name != "help"]


def _usage(command: Any, words: str) -> str:
    needed = [f"{p.opts[0]} {p.name.upper()}" for p in _params(command, "option") if p.required]
    optional = " [OPTIONS]" if any(not p.required for p in _params(command, "option")) else ""
    return (
        " ".join(["exchange", words, *(_place(p) for p in _params(command, "argument")), *needed]) + optional
    )


def _place(param: Any) -> str:
    name = param.name.upper() + ("..." if param.nargs == -1 else "")
    return name if param.required else f"[{name}]"


def _row(param: Any) -> str:
    name = param.name.upper() if param.param_type_name == "argument" else ", ".join(param.opts)
    flag = getattr(param, "is_flag", False)
    if param.default is None or flag:
        default = "required" if param.required else ""
    else:
        default = f"`{param.default}`"
    return f"| `{name}` | {_text(param.help or '')} | {default} |"


def _text(help_text: str) -> str:
    """Help without the terminal's mark-up; what it shows in bold are commands."""
    return re.sub(r"\[bold\](.*?)\[/bold\]", r"`\1`", cleandoc(help_text))


if __name__ == "__main__":
    from exchange.cli.main import app as exchange_app

    print(reference(exchange_app), end="")
