"""Scenarios: a model put to work as its users would, and what that takes."""
