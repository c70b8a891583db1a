"""Environments: other interpreters with Model Lab in them, for runtimes that do not live together."""
