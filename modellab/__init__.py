"""Model Lab: a pytest-driven bench for speech recognition."""

__version__ = "0.1.0"
