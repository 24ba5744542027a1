"""Parts of the control room about what it costs and brings."""
