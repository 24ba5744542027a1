"""What it costs and what it brings."""
