"""Counters for Prometheus: endpoints, statuses and times, never who or what.

They have a door of their own, for the operator: how long answers took is nothing for requesters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, start_http_server

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


_WAITS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)


class StandbyMetrics:
    """Counters of how a standby fares, for the `Metrics` of each API that reads there."""

    def __init__(self) -> None:
        self.reads = Counter(
            "exchange_api_reads", "Views of who only reads, by server.", ["server"], registry=None
        )
        self.left = Counter(
            "exchange_api_standby_left",
            "Requests that the standby could not answer, by why.",
            ["reason"],
            registry=None,
        )
        self.waits = Histogram(
            "exchange_api_standby_wait_seconds",
            "Seconds waited for the standby to catch up.",
            buckets=_WAITS,
            registry=None,
        )


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

    def include(self, standby: StandbyMetrics) -> None:
        """Shows these as well."""
        for collector in (standby.reads, standby.left, standby.waits):
            self._registry.register(collector)

    def count(self, endpoint: str, status: int, seconds: float) -> None:
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def text(self) -> str:
        """The text exposition format."""
        return generate_latest(self._registry).decode()

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[int]:
        """Answers scrapes at `http://host:port/metrics` while the block runs; gives the port."""
        server, thread = start_http_server(port, host, self._registry)
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
