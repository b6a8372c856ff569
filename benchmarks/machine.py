"""How fast this machine is now: figures of two machines, or of two hours, compare through it.

Every benchmark begins with the line that `python benchmarks/machine.py` prints: loops of Python, and
resources read and hashed, in a second of CPU time, the best of five. On shared cores a tenth means nothing.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from hashlib import sha256

ROUNDS = 5
_CODING = {
    "system": "http://loinc.org",
    "code": "2345-7",
    "display": "Glucose [Mass/volume] in Serum or Plasma",
}
RESOURCE = json.dumps(
    {
        "resourceType": "Observation",
        "id": "9d1b0f3e-6f0a-5d0c-9f5e-2f0a7c4c1b11",
        "status": "final",
        "category": [{"coding": [{**_CODING, "code": "laboratory"}]}] * 2,
        "code": {"coding": [_CODING] * 3, "text": "Glucose"},
        "subject": {"reference": "Patient/3f1c2a60-51a5-5f2f-8f9b-0a7a2c9f0d42"},
        "effectiveDateTime": "2026-01-02T03:04:05-06:00",
        "valueQuantity": {
            "value": 98.6,
            "unit": "mg/dL",
            "system": "http://unitsofmeasure.org",
            "code": "mg/dL",
        },
    }
).encode()


def looped() -> None:
    total = 0
    for number in range(100_000):
        total += number & 3


def read() -> None:
    for _ in range(1_000):
        json.loads(RESOURCE)


def hashed() -> None:
    for _ in range(10_000):
        sha256(RESOURCE)


def rate(work: Callable[[], None], times: int) -> float:
    """Of so many in one go, a second of CPU time."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return times / best


def line() -> str:
    loop, loads, sha = rate(looped, 100_000), rate(read, 1_000), rate(hashed, 10_000)
    return (
        f"machine: Python {platform.python_version()}, {loop / 1e6:.1f} M loops/s,"
        f" json.loads {loads / 1e3:.0f} k/s and sha256 {sha / 1e3:.0f} k/s of {len(RESOURCE)} bytes"
    )


if __name__ == "__main__":
    print(line())
