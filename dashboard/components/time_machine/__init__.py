"""Parts of the control room about what answered when."""
