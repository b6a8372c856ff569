"""docs/law.md names rules that are there, and every rule is named."""

import re
from pathlib import Path

from tests.content.test_consent_cases import RULES

INTERMEDIARY = Path(__file__).parents[2] / "consent/policies/35-part2-intermediary.yaml"
PAGE = Path(__file__).parents[2] / "docs/law.md"
OURS = {"own-records", "directory-open", "client-relationship", "hipaa-public-health", "hipaa-emergency"}


def test_the_page_of_the_law_and_the_rules_name_each_other():
    named = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", PAGE.read_text("utf-8"))) - {"account-for"}
    rules = {rule.policy.id for rule in RULES.rules}
    off = set(re.findall(r"^  - id: (part2-intermediary-\S+)$", INTERMEDIARY.read_text("utf-8"), re.M))
    assert named - rules == off | {"part2-intermediary"}
    assert rules - named - OURS == set()
