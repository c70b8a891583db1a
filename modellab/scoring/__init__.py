"""How far a hypothesis is from its reference, as counts that add."""
