"""Parts of the control room about the chain and its bundle."""
