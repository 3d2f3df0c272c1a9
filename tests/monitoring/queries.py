"""The queries of docs/dashboard.json and docs/alerts.yml, as data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from hookkey_verify._metrics import ALL_COUNTERS, DURATIONS, GAUGES

__all__ = [
    "ALERTS",
    "DASHBOARD",
    "DOCS",
    "METRICS",
    "Alert",
    "Selector",
    "alerts",
    "at_scale",
    "filled_in",
    "groupings",
    "metric_of",
    "panels",
    "selectors",
]

DOCS: Final = Path(__file__).parents[2] / "docs"
ALERTS: Final = DOCS / "alerts.yml"
DASHBOARD: Final = DOCS / "dashboard.json"

METRICS: Final[Mapping[str, frozenset[str]]] = {
    **{f"hookkey_{each.prometheus}_total": frozenset(each.labels) for each in ALL_COUNTERS},
    **{f"hookkey_{each.prometheus}": frozenset(each.labels) for each in DURATIONS.values()},
    **{f"hookkey_{each.prometheus}": frozenset(each.labels) for each in GAUGES},
}
"""The labels of each metric that ``Metrics`` exports."""

_SELECTOR: Final = re.compile(r"\b(hookkey_\w+)(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING: Final = re.compile(r"\bby\s*\(([^)]*)\)")
_DURATION: Final = re.compile(r"(?<=[\[ ])(\d+)m\b")


class Alert(NamedTuple):
    """An alert rule. ``seconds``: how long its expression must hold."""

    name: str
    expression: str
    seconds: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class Selector(NamedTuple):
    """A metric in a query, with its matchers as (label, operator, value)."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]


def alerts() -> list[Alert]:
    """Return all alerts."""
    rules = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    return [
        Alert(
            rule["alert"],
            rule["expr"],
            60 * int(rule.get("for", "0m").removesuffix("m")),
            rule["labels"],
            rule["annotations"],
        )
        for rule in rules
    ]


def panels() -> list[dict[str, Any]]:
    """Return the dashboard's panels without the headings of rows."""
    every = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in every if panel["type"] != "row"]


def selectors(query: str) -> Iterator[Selector]:
    """Yield each metric that a query names."""
    for name, matchers in _SELECTOR.findall(query):
        yield Selector(name, tuple(_MATCHER.findall(matchers)))


def groupings(query: str) -> set[str]:
    """Return the labels by which a query groups."""
    lists = _GROUPING.findall(query)
    return {label.strip() for each in lists for label in each.split(",")}


def metric_of(name: str) -> tuple[str, frozenset[str]]:
    """Return the metric and the labels of a series, such as a histogram's buckets."""
    for suffix, more in (("_bucket", {"le"}), ("_count", set[str]()), ("_sum", set[str]())):
        metric = name.removesuffix(suffix)
        if metric != name and metric in METRICS:
            return metric, METRICS[metric] | more
    return name, METRICS.get(name, frozenset())


def filled_in(query: str, interval: str) -> str:
    """Return a query of the dashboard as Grafana sends it, with everything selected."""
    for variable, value in (("$__rate_interval", interval), ("$job", ".*"), ("$source", ".*")):
        query = query.replace(variable, value)
    return query


def at_scale(expression: str, seconds_per_minute: float) -> str:
    """Return an alert's expression with shorter minutes."""
    return _DURATION.sub(
        lambda match: f"{int(float(match[1]) * seconds_per_minute * 1000)}ms", expression
    )
