"""Which weights: what is known of them, where they come from, and the layout each runtime reads."""
