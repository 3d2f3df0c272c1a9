"""Draw docs/dashboard.svg from a service with two outages: ``python -m tests.monitoring.picture``.

It takes two minutes, and needs Debian's ``prometheus``.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from hookkey_verify import CachePolicy
from hookkey_verify.hooks import SamlHook

from ..faults import eventually
from .drawing import Line, Phase, Time, drawing
from .prometheus_server import Prometheus, prometheus_server
from .queries import DASHBOARD, DOCS, filled_in
from .service import Service, running_service

SECONDS: Final = 80
PHASES: Final = (
    Phase("okta", 15, 37, "Okta answers 429 once, then 500"),
    Phase("store", 50, 62, "the replay store is down"),
)
POLICY: Final = CachePolicy(fresh_for=3, stale_if_error=10, backoff=0.5, max_backoff=2)
INTERVAL: Final = "4s"
ORG: Final = "https://acme.okta.com"


def main() -> None:
    """Run the service, and write the picture."""
    with (
        running_service(POLICY, bridge_fresh_for=3, bridge_stale_for=10) as service,
        prometheus_server(service.metrics_port) as prometheus,
    ):
        service.start_traffic()
        service.repeat(lambda: service.call_hook(SamlHook.EVENT_TYPE), 0.8)  # without a handler
        assert eventually(lambda: bool(prometheus.query("hookkey_status offset 4s")), 30)
        start = time.time()
        okta, store = PHASES
        _wait(start + okta.start)
        reset = {"X-Rate-Limit-Reset": str(int(time.time()) + 8)}
        service.okta.fail(429, headers=reset, path="/api/v1/hook-keys/public/")
        service.start_okta_outage("/")
        _wait(start + okta.end)
        service.end_okta_outage()
        _wait(start + store.start)
        service.valkey.kill()
        _wait(start + store.end)
        service.valkey.start()
        _wait(start + SECONDS)
        panels = json.loads(DASHBOARD.read_text())["panels"]
        lines = {
            panel["title"]: _lines(panel, prometheus, service, start)
            for panel in panels
            if panel["type"] != "row"
        }
    (DOCS / "dashboard.svg").write_text(drawing(panels, lines, Time(SECONDS, PHASES)))


def _wait(until: float) -> None:
    time.sleep(max(0.0, until - time.time()))


def _lines(
    panel: dict[str, Any], prometheus: Prometheus, service: Service, start: float
) -> list[Line]:
    """Return the series of a panel, the largest first, without those that are always 0."""
    lines = []
    for target in panel["targets"]:
        query = filled_in(target["expr"], INTERVAL)
        for series in prometheus.query_range(query, start, start + SECONDS, 1):
            name = target["legendFormat"]
            for label in ("event", "key", "outcome", "part", "reason", "source", "state"):
                name = name.replace(f"{{{{{label}}}}}", series.labels.get(label, ""))
            points = [(at - start, value) for at, value in series.points]
            lines.append(Line(name.replace(service.okta.url, ORG).strip() or "none", points))
    if len(panel["targets"]) > 1:  # quantiles are in order
        return lines
    lines = [line for line in lines if any(value for _, value in line.points)] or lines[:1]
    return sorted(lines, key=lambda line: -sum(v for _, v in line.points if v == v))  # noqa: PLR0124


if __name__ == "__main__":
    main()
