"""What `monitor` does: windows of production, judged."""
