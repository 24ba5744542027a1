"""Parts of the control room about what Approvals and Releases share: signing, receipts, progress, steps."""
