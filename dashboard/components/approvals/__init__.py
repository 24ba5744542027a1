"""Parts of the control room about a decision on a candidate."""
