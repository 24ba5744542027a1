"""Parts of the control room about how good the answers are."""
