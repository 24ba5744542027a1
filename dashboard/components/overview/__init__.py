"""Parts of the control room about the signal panel."""
