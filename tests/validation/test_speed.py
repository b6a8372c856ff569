import time

from exchange.validation import structural_issues, validate
from tests.validation.test_validate import OBSERVATION


def _per_second(check, count=2000):
    check(OBSERVATION)
    start = time.process_time()
    for _ in range(count):
        check(OBSERVATION)
    return count / (time.process_time() - start)


def test_structure_is_checked_at_twenty_thousand_a_second_and_everything_at_five_thousand():
    assert _per_second(structural_issues) > 20_000
    assert _per_second(validate) > 5_000
