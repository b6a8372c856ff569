"""Rules as files: of a folder, or of a revision of the folder's history."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

from exchange.content import TEXT, read_tree
from exchange.model.errors import ContentError
from exchange.model.records import Files
from exchange.settings import Settings


def read_rules(settings: Settings, rules: str | None = None) -> Files:
    """The files of `consent/`: as they lie there, of another folder, or of a git revision of this one.

    Raises ContentError when there is no such folder or revision, or it holds no rules.
    """
    home = settings.home / "consent"
    if rules is None:
        return read_tree(home)
    folder = Path(rules)
    if folder.is_dir():
        inner = folder / "consent"
        files = read_tree(inner if inner.is_dir() else folder)
    else:
        files = _of_revision(settings.home, rules)
    if "vocabulary.yaml" not in files:
        raise ContentError("holds no rules: vocabulary.yaml is missing", file=rules)
    return files


def _of_revision(home: Path, revision: str) -> Files:
    commit = _git(home, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise ContentError("is neither a folder nor a git revision", file=revision)
    archive = _git(home, "archive", "--format=tar", commit.decode().strip(), "consent")
    if archive is None:
        raise ContentError("this revision has no consent/", file=revision)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            PurePosixPath(*path.parts[1:]).as_posix(): stream.read().decode("utf-8")
            for member in tar.getmembers()
            if (path := PurePosixPath(member.name)).suffix in TEXT and (stream := tar.extractfile(member))
        }


def _git(home: Path, *words: str) -> bytes | None:
    """What git prints, None when it refuses or is not there."""
    try:
        done = subprocess.run(["git", "-C", str(home), *words], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
