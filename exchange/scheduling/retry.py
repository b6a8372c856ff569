"""Which errors Airflow tries again: the ones whose class says so (exchange.model.errors)."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from exchange.model.errors import Conflict, ExchangeError, PartnerUnavailable

RETRIES = 5


def retry_policy() -> ExceptionRetryPolicy:
    """Partner away: back off. Somebody else at it: soon again. Everything else: a person."""
    return ExceptionRetryPolicy(
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
