"""The names under which records say that something was heard in another way than usual."""

AGAIN = "again"
ALONE = "alone"
OTHER_THREADS = "other-threads"
PIECES = "pieces"
LANGUAGE_UNTOLD = "language-untold"
SEGMENT_TIMES = "segment-times"
WORD_TIMES = "word-times"
