"""Parts of the control room about a release on its way and the ways back."""
