"""Both lakes keep the lake's promises; S3's errors say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blocks.aws import S3LakeBlock
from blocks.lake import LocalLakeBlock
from interlock.errors import SettingsError, Unavailable
from interlock.records.lake import Lake, lake_from
from interlock.records.lake_s3 import S3Lake
from interlock.settings import Settings
from tests.blocks.contract_lake import DAY, Damage, LakeContract


class TestLocalLake(LakeContract):
    @pytest.fixture
    def lake(self, tmp_path: Path) -> Lake:
        return LocalLakeBlock(root=tmp_path / "lake").open()

    @pytest.fixture
    def damage(self, tmp_path: Path) -> Damage:
        return lambda key: (tmp_path / "lake" / key).write_bytes(b"rowz") and None


class TestS3Lake(LakeContract):
    @pytest.fixture
    def lake(self, bucket: Any) -> Lake:
        return S3LakeBlock(bucket=bucket).open()

    @pytest.fixture
    def damage(self, bucket: Any) -> Damage:
        client = bucket.credentials.get_s3_client()
        return lambda key: client.put_object(Bucket=bucket.bucket_name, Key=f"team/{key}", Body=b"rowz") and None


def test_a_missing_bucket_is_named(bucket: Any) -> None:
    lake = S3Lake(bucket.credentials.get_s3_client(), "no-such-bucket")
    with pytest.raises(SettingsError, match="NoSuchBucket"):
        lake.keys("flights", "snapshot")


def test_a_server_that_is_down_is_worth_another_try(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("interlock.records.lake_s3.ATTEMPTS_MAX", 1)
    lake = lake_from(settings.model_copy(update={"lake": "s3", "lake_s3_bucket": "b", "s3_endpoint_url": "http://127.0.0.1:9"}))
    with pytest.raises(Unavailable) as raised:
        lake.exists("local/flights/snapshot/v1/date=2013-05-04/x.parquet")
    assert raised.value.transient


def test_the_settings_choose_the_lake(settings: Settings, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    chosen = settings.model_copy(update={"lake": "s3", "lake_s3_bucket": "chosen", "s3_endpoint_url": s3_url, "environment": "prod"})
    lake = lake_from(chosen)
    assert isinstance(lake, S3Lake)
    lake._client.create_bucket(Bucket="chosen")
    assert lake.put("flights", "snapshot", DAY, b"rows").startswith("prod/flights/snapshot/v1/")


def test_an_s3_lake_without_a_bucket_says_which_setting(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="INTERLOCK_LAKE_S3_BUCKET"):
        lake_from(settings.model_copy(update={"lake": "s3"}))
