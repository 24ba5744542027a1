"""Fire drills: the way back, rehearsed."""
