"""Parts of the control room about rows: lineage, refusals, columns over time."""
