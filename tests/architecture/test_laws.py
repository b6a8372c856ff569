"""Each law of the README, and the test or check that fails when it is broken."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.model.errors import ContentError
from exchange.settings import load_settings

ROOT = Path(__file__).parents[2]
LAWS = {
    1: [
        "tests/pipeline/test_killed.py::test_the_undisturbed_run_accounts_for_every_record",
        "exchange/cli/demo/laws.py::_balance",
    ],
    2: [
        "tests/content/test_consent_cases.py::test_the_rules_decide_the_case_as_written",
        "tests/repository/test_disclosure.py::test_a_viewer_nobody_registered_sees_nothing",
        "tests/architecture/test_laws.py::test_only_the_decision_makes_decisions",
    ],
    3: [
        "tests/repository/test_noninterference.py"
        "::test_hidden_records_that_come_change_and_go_leave_every_answer_as_it_was",
        "tests/api/test_interactions.py::test_what_is_hidden_changes_no_byte_of_a_search",
        "tests/api/test_noninterference.py::test_hidden_records_change_no_byte_and_no_header",
        "tests/api/test_proving.py::test_it_holds_here_and_leaves_nothing_behind",
    ],
    4: [
        "tests/repository/test_identity.py::test_a_steward_takes_apart_and_the_model_does_not_join_again",
        "tests/repository/test_write.py::test_new_content_is_a_new_version_and_the_old_one_is_kept",
        "exchange/cli/demo/laws.py::_contributions_kept",
    ],
    5: [
        "tests/api/test_interactions.py::test_every_answer_is_recorded_once_for_each_patient",
        "tests/api/test_standby.py::test_what_cannot_be_recorded_does_not_leave",
        "tests/audit/test_chain.py::test_the_api_may_only_append",
        "tests/delivery/test_deliveries.py::test_a_receipt_says_who_got_which_version_by_whose_word",
    ],
    6: [
        "tests/mapping/test_load.py::test_the_digest_changes_with_every_file_a_map_is_made_of",
        "tests/consent/test_rules.py::test_the_digest_changes_with_a_rule_and_not_with_a_case",
        "tests/architecture/test_content_is_data.py::test_what_is_published_names_the_maps_and_rules_that_made_it",
        "exchange/cli/demo/laws.py::_content_is_data",
    ],
    7: [
        "tests/api/test_served.py::test_what_was_searched_for_is_in_no_log",
        "tests/repository/test_embedded.py::test_the_server_log_never_quotes_a_row",
        "tests/connectors/test_mllp_listener.py::test_no_message_shows_in_the_log",
        "tests/pipeline/test_nothing_outside.py"
        "::test_the_scheduler_logs_a_failed_step_without_saying_whom_it_was_about",
        "exchange/cli/demo/laws.py::_nothing_outside",
    ],
    8: [
        "tests/architecture/test_laws.py::test_imports_go_downward_and_the_core_is_pure",
    ],
}
DATA = {".yaml", ".csv", ".md", ".json", ".ndjson", ".xml", ".hl7", ".x12", ".txt"}
MODULES = sorted((ROOT / "exchange").rglob("*.py"))


def test_every_law_of_the_readme_has_its_check():
    section = (ROOT / "README.md").read_text().split("## The laws of the house")[1].split("\n## ")[0]
    assert [int(number) for number in re.findall(r"^(\d)\. \*\*", section, re.MULTILINE)] == list(LAWS)


@pytest.mark.parametrize("place", [place for places in LAWS.values() for place in places])
def test_the_check_of_a_law_is_there(place):
    path, name = place.split("::")
    tree = ast.parse((ROOT / path).read_text())
    functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert name in functions


def makers_of_decisions(package: Path) -> set[str]:
    """Modules that make a Decision, whatever name they imported it by."""
    return {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for tree in [ast.parse(path.read_text())]
        for names in [{"Decision", *_renamed(tree, "Decision")}]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _called(node) in names
    }


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _renamed(tree: ast.AST, name: str) -> set[str]:
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {alias.asname or name for node in imports for alias in node.names if alias.name == name}


def test_only_the_decision_makes_decisions():
    assert makers_of_decisions(ROOT / "exchange") == {"consent/decision.py"}


@pytest.mark.parametrize(
    "line",
    [
        "from exchange.model.records import Decision\nyes = Decision('permit')",
        "from exchange.model.records import Decision as Answer\nyes = Answer('permit')",
        "from exchange.model import records\nyes = records.Decision('permit')",
    ],
    ids=["by name", "renamed", "by module"],
)
def test_a_decision_made_elsewhere_is_named(line, tmp_path):
    (tmp_path / "api").mkdir()
    (tmp_path / "api/shortcut.py").write_text(line)
    assert makers_of_decisions(tmp_path) == {"api/shortcut.py"}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    linter = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([linter, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


def test_imports_go_downward_and_the_core_is_pure():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "0 broken" in done.stdout


def test_an_import_that_goes_upward_and_one_that_does_io_are_named(tmp_path):
    shutil.copytree(ROOT / "exchange", tmp_path / "exchange", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, line in (
        ("consent/dates.py", "import socket"),
        ("linkage/names.py", "import requests"),
        ("mapping/dates.py", "from exchange.consent import decide"),
        ("repository/reading/read.py", "import exchange.api.app"),
    ):
        text = (tmp_path / "exchange" / module).read_text()
        head = "from __future__ import annotations\n"
        (tmp_path / "exchange" / module).write_text(text.replace(head, f"{head}{line}\n", 1))
    done = lint_imports(tmp_path)
    assert done.returncode != 0
    for told in (
        "exchange.consent.dates -> socket",
        "exchange.linkage.names -> requests",
        "exchange.mapping.dates -> exchange.consent",
        "exchange.repository.reading.read -> exchange.api.app",
    ):
        assert told in done.stdout


def test_nothing_is_imported_from_the_content():
    imported = {
        (path.name, name.split(".")[0])
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imports(node)
    }
    assert [found for found in imported if found[1] in ("mappings", "consent", "dags")] == []


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


@pytest.mark.parametrize("folder", ["mappings", "consent"])
def test_content_folders_hold_no_code(folder):
    assert executable_files(ROOT / folder) == []


def executable_files(folder: Path) -> list[str]:
    """Files that are something else than data: by ending, or by permission."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(p.name for p in files if p.suffix not in DATA or p.stat().st_mode & 0o111)


@pytest.mark.parametrize("name", ["hook.py", "rule.so", "map.pyc", "run"])
def test_code_among_the_content_is_named(name, tmp_path):
    (tmp_path / "good.yaml").write_text("a: 1")
    (tmp_path / name).write_text("")
    assert executable_files(tmp_path) == [name]


def test_content_is_found_by_its_variable_wherever_the_process_stands(tmp_path):
    for folder in ("mappings", "consent"):
        (tmp_path / "there" / folder).mkdir(parents=True)
    named = load_settings({"EXCHANGE_HOME": str(tmp_path / "there")}, start=tmp_path)
    assert named.home == (tmp_path / "there").resolve()
    with pytest.raises(ContentError, match="EXCHANGE_HOME"):
        load_settings({}, start=tmp_path)
