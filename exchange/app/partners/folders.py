"""What lies in a new partner's folder: which files are in its format, and which are not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from exchange.connectors.files import is_temporary, unpacked
from exchange.formats.kind import BEGINNING, kind_of
from exchange.model.records import Format


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What a folder holds of one format.

    `match` takes all files of the format, whatever they are called and however deep they lie.

    `others`: names below the folder of files that it does not take, `strange`: that it takes although they
    are in another format.
    """

    format: Format
    match: str
    files: int
    others: tuple[str, ...]
    strange: tuple[str, ...]


def survey(folder: Path, format_: Format | None = None) -> Surveyed | None:
    """Without `format_` that of the most files; None when no file is in it."""
    kinds = {
        path.relative_to(folder).as_posix(): _kind(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not is_temporary(path.as_posix())
    }
    counted = Counter(kind for kind in kinds.values() if kind is not None)
    wanted = format_ or next((kind for kind, _ in counted.most_common(1)), None)
    if wanted is None or not counted[wanted]:
        return None
    found = {name: kind == wanted for name, kind in kinds.items()}
    suffixes = {PurePosixPath(name).suffix for name, right in found.items() if right}
    (suffix,) = suffixes if len(suffixes) == 1 else ("",)
    taken = {name for name in found if name.endswith(suffix)}
    wrong = [name for name, right in found.items() if not right]
    return Surveyed(
        format=wanted,
        match=f"**/*{suffix}",
        files=sum(found.values()),
        others=tuple(name for name in wrong if name not in taken),
        strange=tuple(name for name in wrong if name in taken),
    )


def _kind(path: Path) -> Format | None:
    with path.open("rb") as file:
        beginning = file.read(BEGINNING)
    if path.suffix.lower() in (".gz", ".bz2", ".xz"):
        beginning = unpacked(path.name, path.read_bytes(), path.stat().st_size * 1000)[:BEGINNING]
    return kind_of(beginning)
