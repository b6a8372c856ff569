"""Resources per second of processor time: our checks, and fhir.resources alone as the baseline."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
from fhir.resources.R4B import get_fhir_model_class

from exchange.validation import structural_issues, validate

ROOT = Path(__file__).parents[1]


def resources() -> list[dict[str, Any]]:
    """What the expected outputs hold."""
    outputs = (json.loads(path.read_text()) for path in sorted(ROOT.glob("mappings/*/expected/*/*.json")))
    return [resource for found in outputs for output in found for resource in output.get("resources", [])]


def per_second(check: Callable[[dict[str, Any]], Any], sample: list[dict[str, Any]], seconds: float) -> float:
    """Processor time, after one warm round."""
    for resource in sample:
        check(resource)
    start, done = time.process_time(), 0
    while time.process_time() - start < seconds:
        for resource in sample:
            check(resource)
        done += len(sample)
    return done / (time.process_time() - start)


def model(resource: dict[str, Any]) -> None:
    """fhir.resources; what it refuses counts as checked too."""
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValueError:
        return


def main() -> None:
    sample = resources()
    baseline = per_second(model, sample, 2)
    for name, check in (("structure and bindings", structural_issues), ("with US Core", validate)):
        rate = per_second(check, sample, 2)
        print(f"{name:24} {rate:>9,.0f} resources/s  {rate / baseline:5.1f} x fhir.resources")
    print(f"{'fhir.resources alone':24} {baseline:>9,.0f} resources/s")


if __name__ == "__main__":
    print(machine.line())
    main()
