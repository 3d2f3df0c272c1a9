"""The definition of the table of used tokens, and checks for settings that can lose one."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .._runtime.clock import wall_clock
from ..replay.finding import Finding, clock_finding
from .problems import code_of, explain

__all__ = ["DEFINITION", "EXPIRY", "KEY", "NONCE", "check_table", "enable_expiry"]

KEY, NONCE, EXPIRY = "digest", "nonce", "expires_at"
DEFINITION: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": KEY, "AttributeType": "B"}],
    "KeySchema": [{"AttributeName": KEY, "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def enable_expiry(client: Any, table: str) -> None:
    """Enable time to live, with which DynamoDB deletes expired records, unless it is enabled."""
    if _expiry_attribute(client, table) != EXPIRY:
        specification = {"Enabled": True, "AttributeName": EXPIRY}
        client.update_time_to_live(TableName=table, TimeToLiveSpecification=specification)


def check_table(client: Any, table: str) -> Iterator[Finding]:
    """Return findings about table, replicas, expiry and clock."""
    try:
        answer = client.describe_table(TableName=table)
    except (ClientError, BotoCoreError) as error:
        yield _not_described("table", error, "dynamodb:DescribeTable")
        return
    described = answer["Table"]
    yield _shape(described)
    yield _replicas(described)
    yield _expiry(client, table)
    yield _clock(answer["ResponseMetadata"]["HTTPHeaders"].get("date"))


def _shape(described: dict[str, Any]) -> Finding:
    status = described["TableStatus"]
    if any(described[name] != DEFINITION[name] for name in ("AttributeDefinitions", "KeySchema")):
        text = "its key is not that of create_table(): create a new one"
        return Finding("table", "failed", text)
    if status not in ("ACTIVE", "UPDATING"):
        return Finding("table", "failed", "it is not active: wait, or create it again")
    return Finding("table", "ok", "key and status are as needed")


def _replicas(described: dict[str, Any]) -> Finding:
    regions = len(described.get("Replicas") or [])
    consistent = described.get("MultiRegionConsistency") == "STRONG"
    if regions and not consistent:
        text = (
            "a global table accepts a token once in each region that writes: use one region, or "
            "multi-Region strong consistency"
        )
        return Finding("replicas", "warning", text)
    return Finding("replicas", "ok", f"{regions} regions replicate it")


def _expiry(client: Any, table: str) -> Finding:
    try:
        attribute = _expiry_attribute(client, table)
    except ClientError as error:
        return _not_described("expiry", error, "dynamodb:DescribeTimeToLive")
    if attribute != EXPIRY:
        text = f"time to live is not enabled for {EXPIRY}: the table grows without limit; enable it"
        return Finding("expiry", "warning", text)
    return Finding("expiry", "ok", f"time to live is enabled for {EXPIRY}")


def _expiry_attribute(client: Any, table: str) -> str | None:
    described = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    enabled = described.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    return described.get("AttributeName") if enabled else None


def _clock(date: str | None) -> Finding:
    try:
        ahead = parsedate_to_datetime(date or "").timestamp() - wall_clock()
    except ValueError:
        return Finding("clock", "skipped", "the response has no valid Date")
    return clock_finding("clock", ahead, digits=0)  # a Date has whole seconds


def _not_described(check: str, error: Exception, permission: str) -> Finding:
    if isinstance(error, ClientError) and code_of(error) == "AccessDeniedException":
        return Finding(check, "skipped", f"this check needs {permission}, which claims do not need")
    return Finding(check, "failed", explain(error).text)
