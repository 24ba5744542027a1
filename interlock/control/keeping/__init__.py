"""The keeper: what makes true, every second, what was decided."""
