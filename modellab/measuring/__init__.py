"""Where the clock meets a backend. Nothing else in the house times anything."""
