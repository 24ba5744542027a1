"""Parts of the control room about what moved."""
