"""From a hospital's message to the health plan that is not told: 45 CFR 164.522(a)(1)(vi)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.app import content
from exchange.consent import Context, DisclosureClass, Participant, Source, decide, label_all, profile
from exchange.model.records import Viewer
from exchange.settings import load_settings
from tests.content.mapping import mapped

HEADER = r"MSH|^~\&|LHADT|LAKESIDE|||20261103142530-0600||ADT^A01|1|P|2.5.1"
PID = "PID|1||7^^^LAKESIDE^MR||Doe^Ann||19710412|F"
PLAN = Viewer("prairie_plan", "organization", "HPAYMT")
AT = datetime(2026, 11, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def context():
    """The exchange as it is, with a health plan that takes part."""
    found = content(load_settings({"EXCHANGE_HOME": str(Path(__file__).parents[2])}))[2]
    plan = Participant(
        "prairie_plan", "payer", covered_entity=True, agreement_from=AT, agreement="participation"
    )
    return Context(found.rules, {**found.participants, plan.code: plan})


def shown(context, financial_class: str, viewer: Viewer) -> dict[str, str]:
    """The answer for each resource of one admission."""
    fields = {2: "I", 19: "V1^^^LAKESIDE^VN", 20: financial_class, 44: "20261103"}
    visit = "PV1|" + "|".join(fields.get(number, "") for number in range(1, 46))
    message = "\r".join((HEADER, PID, visit, "DG1|1||J10.1^Influenza^I10"))
    found = mapped("lakeside_hospital", "messages", message.encode()).resources
    source = Source("lakeside_hospital", "hospital", False, "messages")
    nobody_objects = profile(())
    return {
        resource["resourceType"]: decide(
            DisclosureClass(
                "lakeside_hospital",
                resource["resourceType"],
                labels.confidentiality,
                tuple(sorted(labels.codes)),
                nobody_objects,
            ),
            viewer,
            context,
            AT,
        ).effect
        for resource, labels in zip(found, label_all(found, source, context.rules, {}), strict=True)
    }


def test_the_plan_is_not_told_of_a_visit_the_patient_paid_nor_of_what_was_found_in_it(context):
    paid, insured = shown(context, "SELF", PLAN), shown(context, "BCBS", PLAN)
    assert (paid["Encounter"], paid["Condition"]) == ("deny", "deny")
    assert (insured["Encounter"], insured["Condition"]) == ("permit", "permit")
    assert paid["Patient"] == insured["Patient"] == "permit"
