"""DynamoDBReplayStore shares in DynamoDB which tokens have been used (extra dynamodb).

::

    store = DynamoDBReplayStore("hookkey-used-tokens")
    store.create_table()                # once; or with CloudFormation
    verifier = HookVerifier.for_client_assertion(keys, …, replay=store)

It uses boto3, which finds region and credentials as usual.
"""

from __future__ import annotations

try:
    import boto3 as _boto3
except ImportError:
    raise ImportError(
        "hookkey_verify.dynamodb needs boto3: pip install 'hookkey_verify[dynamodb]'"
    ) from None

from .replay_store import DynamoDBReplayStore

__all__ = ["DynamoDBReplayStore"]

del _boto3
