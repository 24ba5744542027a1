"""Block for telling people: any address that Apprise knows (mail, chat, webhooks)."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from interlock.records.notifier import AppriseNotifier


class AppriseNotifierBlock(Block):
    """Apprise addresses that get every message."""

    _block_type_name = "Interlock notifier"
    _block_type_slug = "interlock-notifier"

    urls: list[SecretStr] = Field(default_factory=list, description="Apprise addresses; they carry tokens and passwords.")
    timeout_s: float = Field(default=10.0, gt=0, le=120, description="Seconds that one address may take.")

    def open(self) -> AppriseNotifier:
        """The adapter behind this block."""
        return AppriseNotifier(self.urls, timeout_s=self.timeout_s)
