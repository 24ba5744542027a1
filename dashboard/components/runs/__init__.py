"""Parts of the control room about work that Prefect did."""
