"""Parts of the control room about groups side by side."""
