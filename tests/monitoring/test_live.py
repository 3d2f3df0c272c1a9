"""Every query of the dashboard and the alerts, against a real Prometheus and real traffic."""

from __future__ import annotations

import time

import pytest

from hookkey_verify import CachePolicy

from ..faults import eventually
from .prometheus_server import Prometheus, needs_prometheus, prometheus_server
from .queries import alerts, at_scale, filled_in, panels
from .service import running_service

pytestmark = [pytest.mark.slow, needs_prometheus]

SECONDS_PER_MINUTE = 0.25
"""The shortened minutes of the alerts: 15 become 3.75 seconds, and 2 to 5 about a second."""
HEALTHY_SECONDS = "6s"
"""Longer than every shortened interval, so that the start is over."""
INTERVAL = "2s"
QUERIES = {
    f"{panel['title']} {target['refId']}": filled_in(target["expr"], INTERVAL)
    for panel in panels()
    for target in panel["targets"]
}
EXPRESSIONS = {each.name: at_scale(each.expression, SECONDS_PER_MINUTE) for each in alerts()}


def test_healthy_traffic_and_every_trouble() -> None:
    """Healthy traffic causes no alert, each alert has a trouble that causes it, and all panels
    have data.
    """
    policy = CachePolicy(fresh_for=1, stale_if_error=600, backoff=0.2, max_backoff=0.5)
    with running_service(policy) as service, prometheus_server(service.metrics_port) as prometheus:
        service.start_traffic()
        accepted = 'hookkey_verifications_total{outcome="accepted"} offset ' + HEALTHY_SECONDS
        assert eventually(lambda: bool(prometheus.query(accepted)), 40)
        # On a busy machine something may be slow for a moment.
        assert eventually(lambda: _with_data(prometheus, EXPRESSIONS) == set(), 20)
        service.start_misconfiguration()
        service.start_attacks()
        service.change_a_key()
        service.start_handler_failures()
        service.slow_down()
        seen = _with_data(prometheus, EXPRESSIONS)
        service.start_okta_outage()
        service.valkey.kill()
        service.accept_unchecked()
        shown = set[str]()

        def complete() -> bool:
            seen.update(_with_data(prometheus, EXPRESSIONS))
            shown.update(_with_data(prometheus, QUERIES))
            time.sleep(0.2)
            return seen == EXPRESSIONS.keys() and shown == QUERIES.keys()

        eventually(complete, 40)
        assert EXPRESSIONS.keys() - seen == set()
        assert QUERIES.keys() - shown == set()


def _with_data(prometheus: Prometheus, queries: dict[str, str]) -> set[str]:
    """Return the names of the queries that have a result, other than NaN, at the moment."""
    return {
        name
        for name, query in queries.items()
        if any(value == value for series in prometheus.query(query) for _, value in series.points)  # noqa: PLR0124
    }
