"""Counters for Prometheus: interactions, outcomes and times, never who or what."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from exchange.api.messages import Answer

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters of one running API."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "exchange_api_requests", "Requests answered.", ["endpoint", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "exchange_api_seconds",
            "Seconds until the answer was ready.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self._registry,
        )

    def count(self, endpoint: str, status: int, seconds: float) -> None:
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def answer(self) -> Answer:
        """The text exposition format."""
        return Answer(200, generate_latest(self._registry), CONTENT_TYPE_LATEST)
