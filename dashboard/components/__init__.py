"""Pieces that every page shares: each draws one thing from values it is given, and decides nothing."""
