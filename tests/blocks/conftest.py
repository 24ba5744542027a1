"""A real S3 server (moto) as a process of its own, and a bucket per test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

START_S = 30.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running moto server; stopped at the end."""
    address = f"http://127.0.0.1:{(port := _free_port())}"
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with (tmp_path_factory.mktemp("moto") / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _wait(address, server)
            yield address
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
def bucket(s3_url: str) -> Any:
    """An empty bucket, as prefect-aws's block, with made-up credentials."""
    from prefect_aws import AwsCredentials, S3Bucket

    credentials = AwsCredentials(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1",
                                 aws_client_parameters={"endpoint_url": s3_url})
    block = S3Bucket(bucket_name=f"b-{uuid.uuid4().hex}", credentials=credentials, bucket_folder="team")
    credentials.get_s3_client().create_bucket(Bucket=block.bucket_name)
    return block


def _wait(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        try:
            httpx.get(f"{address}/moto-api/", timeout=1)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the S3 test server did not start within {START_S:g} s")


os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
