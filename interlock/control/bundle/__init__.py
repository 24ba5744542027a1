"""The compliance bundle: what an auditor needs about a period, as one signed archive that can be checked without this installation."""
