"""Which errors Airflow tries again: the ones whose class says so (exchange.model.errors)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from airflow.sdk import Context, ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.definitions.retry_policy import RetryDecision

from exchange.model.errors import Conflict, ExchangeError, PartnerUnavailable

RETRIES = 5
# A partner may ask for a longer pause than ours, but not put us off beyond its next daily run.
_LONGEST_PAUSE = timedelta(hours=12)


class PatientRetryPolicy(ExceptionRetryPolicy):
    """Comes back no sooner than the partner asked for (`Retry-After`)."""

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """The rules' decision, with the pause the partner asked for if that is longer."""
        decision = super().evaluate(exception, try_number, max_tries, context)
        asked = getattr(exception, "retry_after", None)
        if asked is None or decision.retry_delay is None:
            return decision
        pause = max(decision.retry_delay, min(timedelta(seconds=asked), _LONGEST_PAUSE))
        return replace(decision, retry_delay=pause)


def retry_policy() -> ExceptionRetryPolicy:
    """Partner away: back off. Somebody else at it: soon again. Everything else: a person."""
    return PatientRetryPolicy(
        rules=[
            RetryRule(
                exception=PartnerUnavailable,
                action=RetryAction.RETRY,
                retry_delay=timedelta(minutes=2),
                reason="the partner's system is away",
            ),
            RetryRule(
                exception=Conflict,
                action=RetryAction.RETRY,
                retry_delay=timedelta(seconds=20),
                reason="another process works on this partner",
            ),
            RetryRule(
                exception=ExchangeError,
                action=RetryAction.FAIL,
                reason="a person must act; the message says how",
            ),
            RetryRule(
                exception=["psycopg.Error", OSError],
                action=RetryAction.RETRY,
                retry_delay=timedelta(seconds=20),
                reason="the database, the disk or the network had a moment",
            ),
        ],
        default=RetryAction.FAIL,
    )
