"""The values of speech: what was heard, what was said, and what a model wrote."""
