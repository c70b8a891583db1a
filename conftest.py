"""What every test may use. The bench's plugin is registered by its entry point, not here."""

pytest_plugins = ["pytester"]
