"""One captured answer, looked at by a person."""
