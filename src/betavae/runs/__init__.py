"""Finished runs: opened, encoded, scored, traversed and drawn."""
