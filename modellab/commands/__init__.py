"""The commands of `modellab`, one module each: what it takes, and what it prints."""
