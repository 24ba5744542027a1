"""Block for a lake in a local folder. Its S3 twin is `blocks.aws.S3LakeBlock`."""

from __future__ import annotations

from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field

from interlock.records.lake import Lake, LocalLake


class LocalLakeBlock(Block):
    """A lake in a folder of this machine."""

    _block_type_name = "Interlock local lake"
    _block_type_slug = "interlock-local-lake"

    root: Path = Field(description="Folder that holds the lake.")
    environment: str = Field(default="local", pattern=r"^[a-z0-9-]+$", description="First part of every key.")

    def open(self) -> Lake:
        """The adapter behind this block."""
        return LocalLake(Path(self.root), self.environment)
