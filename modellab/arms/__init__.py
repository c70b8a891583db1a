"""Arms: the two sides of a comparison, base and candidate: which revision, in which environment, running what."""
