"""Uploads: from bytes that a stranger sent to audio that a model may hear."""
