"""What persons decide: each yes, no and way back, once."""
