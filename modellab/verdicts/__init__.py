"""Opinions on what was measured, each with its evidence."""
