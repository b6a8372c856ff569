"""OBX of a laboratory result, as the hospital and the county both write it."""

from __future__ import annotations

from datetime import datetime

from exchange.synthetic.facts import Result
from exchange.synthetic.feeds import hl7
from exchange.synthetic.tables import SNOMED, Code

ANSWERS = {
    "detected": Code(SNOMED, "260373001", "Detected"),
    "not detected": Code(SNOMED, "260415000", "Not detected"),
}


def observation(number: int, result: Result, moment: datetime) -> str:
    """The OBX as it stands at `moment`: final, corrected or deleted."""
    test = result.analyte
    status = "F"
    if result.removed and result.removed <= moment:
        status = "D"
    elif result.corrected and result.corrected <= moment:
        status = "C"
    value = result.at(moment)
    fields = {1: str(number), 3: hl7.coded(test.code), 11: status, 14: hl7.stamp(result.when)}
    if not test.unit:
        fields |= {2: "CWE", 5: hl7.coded(ANSWERS[value]), 8: "A" if value == "detected" else "N"}
        return hl7.segment("OBX", fields)
    unit = f"{test.unit}^{test.unit}^UCUM"
    fields |= {2: "NM", 5: value, 6: unit, 7: f"{test.low:g}-{test.high:g}", 8: flag(result, value)}
    return hl7.segment("OBX", fields)


def flag(result: Result, value: str) -> str:
    """Interpretation code N, H or L."""
    number, test = float(value), result.analyte
    return "L" if number < test.low else "H" if number > test.high else "N"
