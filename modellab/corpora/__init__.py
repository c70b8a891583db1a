"""Which speech: one reader a format, each giving a Corpus."""
