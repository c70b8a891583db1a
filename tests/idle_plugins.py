"""Plugins that these tests bring along and that a pytest which they run has no use for: a second of imports."""

IDLE = "-p no:schemathesis -p no:hypothesispytest -p no:anyio"
