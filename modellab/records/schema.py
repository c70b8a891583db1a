"""Schema: which versions of records this version reads."""

from modellab.errors import BadRecord

SCHEMA = 3
"""2 added reference_words, facts, variation and cached, each with a default; 3 added performances, streams and growth,
and to cold starts the steady call and the page cache. Lines of 1 and 2 are read as they are."""

READABLE = (1, 2, 3)


def refuse_unknown(schema: int) -> None:
    """Refuse a record of a version that this one does not read.

    Raises:
        BadRecord: when it is none of these.
    """
    if schema not in READABLE:
        raise BadRecord(f"record of schema {schema}; this version reads schema {SCHEMA} and older: upgrade modellab")
