"""The server: runs to browse, models to compare, evaluations to start and speech to transcribe, over HTTP."""
