"""What a run came to: a pure summary of its records, and the pages that show it."""
