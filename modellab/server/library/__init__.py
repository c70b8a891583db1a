"""The library: which runs there are, what each came to, and how they differ."""
