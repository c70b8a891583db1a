"""The pool: models that are held in processes, within bounds, and lent to whoever needs them."""
