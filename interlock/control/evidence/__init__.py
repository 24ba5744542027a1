"""What `validate` measures, judges and seals about one candidate."""
