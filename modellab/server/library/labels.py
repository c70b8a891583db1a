"""Labels: what people say of a run. They lie in a file beside it, so that an index made anew has them again."""

import errno
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, TypeAdapter, ValidationError

from modellab.errors import BadRecord, Refused
from modellab.records.lines import reason_of
from modellab.whole import replacing

FILE = "labels.json"
MOST_TAGS = 32

Tag = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*\S)?$")]
Tags = Annotated[tuple[Tag, ...], Field(max_length=MOST_TAGS)]
Label = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]

_NO_WRITING = {errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """A pinned run is never deleted by the server. Tags are sorted, each once. The label is what it is called."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    pinned: bool = False
    tags: Tags = ()
    label: Label = ""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Give the labels of a run's folder; none where nobody has put any.

        Raises:
            BadRecord: when the file cannot be understood: a run that may be pinned is not taken for one that is not.
        """
        try:
            return TypeAdapter(cls).validate_json((folder / FILE).read_bytes())
        except FileNotFoundError:
            return cls()
        except ValidationError as error:
            raise BadRecord(f"{folder / FILE}: {reason_of(error)}") from error

    def write(self, folder: Path) -> None:
        """Keep them in a run's folder, whole or not at all.

        Raises:
            Refused: 409 where the folder may not be written to.
            OSError: when the disk is full.
        """
        try:
            with replacing(folder / FILE) as fresh:
                fresh.write_bytes(TypeAdapter(type(self)).dump_json(self, indent=1) + b"\n")
        except OSError as error:
            if error.errno not in _NO_WRITING:
                raise
            raise Refused(
                "the folder of the run cannot be written to, so that nothing can be kept there: make it writable",
                status=409,
                code="read_only",
            ) from error

    @property
    def revision(self) -> str:
        """A word that is another when the labels are."""
        return sha256(repr(asdict(self)).encode()).hexdigest()[:12]
