"""Parts of the control room about the file rendered, its history and edits."""
