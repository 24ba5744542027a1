"""Block for the endpoint that answers customers: the embedded prediction server."""

from __future__ import annotations

from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field

from interlock.control.endpoint import Endpoint, endpoint_from
from interlock.settings import load_settings


class EmbeddedEndpointBlock(Block):
    """The prediction server of one installation; its control token is read from the installation's home, never stored here."""

    _block_type_name = "Interlock embedded endpoint"
    _block_type_slug = "interlock-embedded-endpoint"

    home: Path = Field(description="The installation's home (INTERLOCK_HOME).")
    host: str = Field(default="127.0.0.1", description="Address of the prediction server.")
    predictions_port: int = Field(default=7070, ge=1, le=65535, description="Port of the predictions.")
    control_port: int = Field(default=7071, ge=1, le=65535, description="Port of health, metrics and swaps.")

    def open(self) -> Endpoint:
        """The adapter behind this block."""
        return endpoint_from(load_settings(home=Path(self.home), host=self.host, predictions_port=self.predictions_port,
                                           control_port=self.control_port))
