"""The gate: two arms measured, judged, and what became of it."""
