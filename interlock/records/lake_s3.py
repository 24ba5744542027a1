"""The lake on S3: the same keys and promises as the local one. boto3 is imported only by who builds the client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from interlock.errors import DataError, SettingsError, Unavailable
from interlock.records.lake import lake_key, prefix, verified
from interlock.settings import Settings

MISSING_CODES = {"404", "NoSuchKey", "NotFound"}
OBJECT_BYTES_MAX = 5 * 1024**3  # largest object of one S3 PUT
CONNECT_S = 5
READ_S = 30
ATTEMPTS_MAX = 3


class S3Lake:
    """Content-addressed Parquet objects in one bucket, under `folder` (empty: the bucket's root)."""

    def __init__(self, client: Any, bucket: str, environment: str = "local", folder: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._environment = environment
        self._prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""

    def put(self, use_case: str, kind: str, day: date, data: bytes) -> str:
        """Store the bytes and return their key; the same bytes have the same key, and storing them again changes nothing."""
        if len(data) > OBJECT_BYTES_MAX:
            raise DataError("a lake file is too large for one S3 object", value=len(data), allowed=f"at most {OBJECT_BYTES_MAX} bytes")
        key = self.key(use_case, kind, day, data)
        if not self.exists(key):
            with mapped("write", key):
                self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)
        return key

    def key(self, use_case: str, kind: str, day: date, data: bytes) -> str:
        """The key that `put` would give."""
        return lake_key(self._environment, use_case, kind, day, data)

    def get(self, key: str) -> bytes:
        """The bytes of a key, checked against the digest in its name; `DataError` where it is not there or was altered."""
        with mapped("read", key):
            data = bytes(self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"].read())
        return verified(key, data)

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        from botocore.exceptions import ClientError

        with mapped("look for", key):
            try:
                self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
            except ClientError as error:
                if error.response["Error"]["Code"] in MISSING_CODES:
                    return False
                raise
        return True

    def keys(self, use_case: str, kind: str) -> list[str]:
        """All keys of a use case and kind, sorted."""
        return sorted(str(item["Key"])[len(self._prefix):] for item in self._objects(use_case, kind))

    def delete(self, key: str) -> None:
        """Remove a key; removing one that is not there changes nothing."""
        with mapped("delete", key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def size_bytes(self, use_case: str, kind: str) -> int:
        """Bytes that the files of a use case and kind take."""
        return sum(int(item["Size"]) for item in self._objects(use_case, kind))

    def _objects(self, use_case: str, kind: str) -> Iterator[dict[str, Any]]:
        start = f"{self._prefix}{prefix(self._environment, use_case, kind)}/date="
        with mapped("list", start):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=start):
                yield from page.get("Contents", [])


def lake_from(settings: Settings) -> S3Lake:
    """The S3 lake that the settings name; credentials come from AWS's own chain (environment, profile, role)."""
    if not settings.lake_s3_bucket:
        raise SettingsError("the S3 lake has no bucket", next_step="set INTERLOCK_LAKE_S3_BUCKET")
    return S3Lake(s3_client(settings.s3_endpoint_url), settings.lake_s3_bucket, settings.environment)


def s3_client(endpoint_url: str | None = None) -> Any:
    """A boto3 S3 client with bounded waits; `SettingsError` where the extra `aws` is not installed."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise SettingsError("S3 needs the extra `aws`", next_step='pip install "interlock-control[aws]"') from error
    bounds = Config(connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"max_attempts": ATTEMPTS_MAX, "mode": "standard"})
    return boto3.client("s3", endpoint_url=endpoint_url, config=bounds)


@contextmanager
def mapped(doing: str, key: str) -> Iterator[None]:
    """botocore's errors as ours: not there → `DataError`, refused → `SettingsError`, everything else may pass → `Unavailable`."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except NoCredentialsError as error:
        raise SettingsError("there are no AWS credentials", next_step="set AWS_PROFILE, AWS_ACCESS_KEY_ID … or a role") from error
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in MISSING_CODES:
            raise DataError("a file of the bucket is missing", value=key, next_step="restore it, or check the bucket") from error
        if code in {"AccessDenied", "403", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch"}:
            raise SettingsError(f"S3 refuses to {doing} {key}: {code}", next_step="check the bucket and its policy") from error
        raise Unavailable(f"S3 could not {doing} {key}: {code}") from error
    except BotoCoreError as error:
        raise Unavailable(f"S3 could not {doing} {key}: {type(error).__name__}") from error
