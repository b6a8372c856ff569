"""A resource with very long lists is explained in parts, at the places that it has as a whole."""

from __future__ import annotations

import jsonschema_rs
import pytest

from exchange.validation import structural_issues, structure
from exchange.validation.structure import MOST
from exchange.validation.windows import LONG


def patient(**elements):
    return {"resourceType": "Patient", "id": "1", **elements}


def telecom(number, wrong):
    return [{"system": "pigeon" if index in wrong else "phone", "value": "1"} for index in range(number)]


def test_what_is_wrong_far_down_a_list_is_told_at_its_place():
    told = structural_issues(patient(telecom=telecom(3 * LONG, {5, LONG, 3 * LONG - 1})))
    places = [f"Patient.telecom[{index}].system" for index in (5, LONG, 3 * LONG - 1)]
    assert [issue.expression for issue in told] == places


def test_a_list_inside_another_is_read_in_parts_as_well():
    given = ["Ann"] * (LONG + 5) + [7]
    (told,) = structural_issues(patient(name=[{"family": "A"}, {"given": given}]))
    assert told.expression == f"Patient.name[1].given[{LONG + 5}]"


def test_where_long_lists_hold_long_lists_it_is_said_that_something_is_wrong():
    names = [{"family": "A"}] * LONG + [{"given": ["Ann"] * LONG + [7]}]
    (told,) = structural_issues(patient(name=names))
    assert (told.severity, told.expression) == ("error", "Patient")


def test_of_a_resource_wrong_everywhere_little_is_read(monkeypatch: pytest.MonkeyPatch):
    read = []

    class Counting:
        def __init__(self, plain: jsonschema_rs.Draft202012Validator) -> None:
            self.plain = plain
            self.is_valid = plain.is_valid

        def iter_errors(self, resource):
            read.append(len(resource["telecom"]))
            return self.plain.iter_errors(resource)

    plain = structure.compiled
    monkeypatch.setattr(structure, "compiled", lambda type_: Counting(plain(type_)))
    told = structural_issues(patient(telecom=telecom(20 * LONG, range(20 * LONG))))
    assert len(told) == MOST + 1
    assert read == [LONG]
