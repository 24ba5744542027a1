"""Source files from a local folder and from S3 behave the same, up to the rows that ingestion reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blocks.aws import S3FilesBlock
from blocks.source import LocalFilesBlock
from interlock.errors import DataError
from interlock.records.origins import FileOrigin
from interlock.records.origins_s3 import S3Folder
from interlock.records.sources import find_files, read_rows
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from tests.blocks.contract_files import Deliver, FilesContract


class TestLocalFiles(FilesContract):
    @pytest.fixture
    def origin(self, tmp_path: Path) -> FileOrigin:
        return LocalFilesBlock(root=tmp_path).open()

    @pytest.fixture
    def deliver(self, tmp_path: Path) -> Deliver:
        def write(name: str, data: bytes) -> None:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)

        return write


class TestS3Files(FilesContract):
    @pytest.fixture
    def origin(self, bucket: Any, tmp_path: Path) -> FileOrigin:
        return S3FilesBlock(bucket=bucket, cache=tmp_path / "cache").open()

    @pytest.fixture
    def deliver(self, bucket: Any) -> Deliver:
        client = bucket.credentials.get_s3_client()
        return lambda name, data: client.put_object(Bucket=bucket.bucket_name, Key=f"team/{name}", Body=data) and None

    def test_an_unchanged_object_is_copied_once(self, origin: S3Folder, deliver: Deliver) -> None:
        deliver("in/a.csv", b"rows")
        before = origin.find("in/a.csv")[0].stat().st_mtime_ns
        assert origin.find("in/a.csv")[0].stat().st_mtime_ns == before

    def test_an_object_that_vanished_meanwhile_is_an_error(self, bucket: Any, origin: S3Folder, deliver: Deliver) -> None:
        deliver("in/a.csv", b"rows")
        client = bucket.credentials.get_s3_client()
        item = client.list_objects_v2(Bucket=bucket.bucket_name)["Contents"][0]
        client.delete_object(Bucket=bucket.bucket_name, Key=item["Key"])
        with pytest.raises(DataError):
            origin._copy(item)


def test_adult_income_reads_the_same_from_s3(settings: Settings, data_dir: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = boto3.client("s3", endpoint_url=s3_url, region_name="us-east-1")
    client.create_bucket(Bucket="census")
    client.put_object(Bucket="census", Key="in/adult.test.gz", Body=(data_dir / "adult.test.gz").read_bytes())
    use_case = find_use_case(settings, "adult_income")[1]
    entry = next(file for file in use_case.source.files if file.split == "test")
    here = use_case.source.model_copy(update={"files": [entry]})
    there = use_case.source.model_copy(update={"files": [entry.model_copy(update={"path": "s3://census/in/*.gz"})]})
    [local], [remote] = find_files(settings, here), find_files(settings.model_copy(update={"s3_endpoint_url": s3_url}), there)
    assert remote.digest == local.digest
    columns = list(use_case.columns)
    assert read_rows(remote, there, columns).frame.equals(read_rows(local, here, columns).frame)
    assert read_rows(remote, there, columns).frame.height == 16_281
