"""Sets a trained model to the size of an index; run as a tool, imported by nothing that serves.

    python -m exchange.linkage.resize mappings/_shared/identity/model.json --records 2000000

Strangers who have name and birth date in common grow with the square of an index, those who are one person
only with it: twice as many records take one bit more of evidence before a pair is linked. For fewer records
less evidence makes a probable link; what makes a certain one stays as it was proven.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exchange.linkage.model import digest_of

MOST_LIKELY = 0.01
"""However few the records, no pair is thought likelier than this before anything is compared."""


def resized(content: Mapping[str, Any], records: int) -> dict[str, Any]:
    """The content of model.json with the prior of that many records."""
    before = int(content["expected_records"])
    version = str(content["version"]).partition("+")[0]
    certain = float(content["thresholds"]["certain"])
    changed = {
        **content,
        "version": f"{version}+{records}",
        "prior": min(MOST_LIKELY, round(float(content["prior"]) * before / records, 14)),
        "thresholds": {**content["thresholds"], "certain": _as_proven(certain, max(1.0, before / records))},
        "expected_records": records,
    }
    return {**changed, "digest": digest_of(changed)}


def _as_proven(certain: float, likelier: float) -> float:
    """The probability that the same evidence has where any pair is that many times as likely."""
    odds = certain / (1 - certain) * likelier
    return odds / (1 + odds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="model.json, written over")
    parser.add_argument("--records", type=int, required=True, help="how many the index will hold")
    asked = parser.parse_args()
    content = resized(json.loads(asked.model.read_text("utf-8")), asked.records)
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    asked.model.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
