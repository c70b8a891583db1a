"""Jobs: evaluations that were asked for, who runs them, and what becomes of them."""
