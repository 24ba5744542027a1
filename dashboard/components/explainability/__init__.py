"""Parts of the control room about what carries the answers."""
