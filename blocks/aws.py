"""AWS twins of the local blocks, on prefect-aws's `S3Bucket` and `AwsCredentials`. Needs the extra `aws`; import it only then."""

from __future__ import annotations

from pathlib import Path

from prefect.blocks.core import Block
from prefect_aws import S3Bucket
from pydantic import Field

from interlock.records.lake import Lake
from interlock.records.lake_s3 import S3Lake
from interlock.records.origins import FileOrigin
from interlock.records.origins_s3 import S3Folder


class S3LakeBlock(Block):
    """A lake in an S3 bucket."""

    _block_type_name = "Interlock S3 lake"
    _block_type_slug = "interlock-s3-lake"

    bucket: S3Bucket = Field(description="Bucket, folder in it, and credentials.")
    environment: str = Field(default="local", pattern=r"^[a-z0-9-]+$", description="First part of every key.")

    def open(self) -> Lake:
        """The adapter behind this block."""
        client = self.bucket.credentials.get_s3_client()
        return S3Lake(client, self.bucket.bucket_name, self.environment, self.bucket.bucket_folder)


class S3FilesBlock(Block):
    """Source files in an S3 bucket, copied here once per version."""

    _block_type_name = "Interlock S3 files"
    _block_type_slug = "interlock-s3-files"

    bucket: S3Bucket = Field(description="Bucket, folder in it, and credentials.")
    cache: Path = Field(description="Folder for the local copies.")

    def open(self) -> FileOrigin:
        """The adapter behind this block."""
        client = self.bucket.credentials.get_s3_client()
        return S3Folder(client, self.bucket.bucket_name, Path(self.cache), self.bucket.bucket_folder)
