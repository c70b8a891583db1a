"""This repository's own fixtures. The plugin itself is registered by its entry point."""
