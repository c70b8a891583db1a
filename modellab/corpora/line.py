"""Line: one line of a corpus's own file, and where it stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modellab.errors import BadManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The text of a line without its end, and the file and number it has there."""

    path: Path
    number: int
    text: str

    @property
    def where(self) -> str:
        """File and line, as messages name them."""
        return f"{self.path}:{self.number}"

    def refusal(self, reason: str) -> BadManifest:
        """Give the error that says why this line cannot be."""
        return BadManifest(f"{self.where}: {reason}")

    def fields(self, count: int, form: str) -> tuple[str, ...]:
        """Give `count` words; the last one is all that is left, and may be empty. `form` says what was expected.

        Raises:
            BadManifest: when there are fewer.
        """
        words = self.text.split(maxsplit=count - 1)
        if len(words) < count - 1:
            raise self.refusal(f"a line is {form}, not {self.text!r:.80}")
        return (*words, *[""] * (count - len(words)))[:count]


def is_file(path: Path) -> bool:
    """Tell whether a file is there; a name that no file can have is that of none."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_lines(path: Path) -> Iterator[Line]:
    """Give the lines of a UTF-8 file that are not blank; a byte order mark is no part of the first.

    Raises:
        BadManifest: naming the file when it cannot be read, and the line where the encoding is another.
    """
    try:
        whole = path.read_bytes()
    except OSError as error:
        raise BadManifest(f"cannot read {path}: {error}") from error
    for number, line in enumerate(whole.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            text = line.decode("utf-8").rstrip("\r")
        except UnicodeDecodeError as error:
            raise BadManifest(f"{path}:{number}: not UTF-8: {error}; save the file as UTF-8") from error
        if text.strip():
            yield Line(path=path, number=number, text=text)


def read_pairs(path: Path, form: str, *, may_be_empty: bool = False) -> dict[str, Line]:
    """Give, by their first word, lines of two parts: each Line's text is what follows the word.

    Raises:
        BadManifest: naming file and line, where the second part is missing or a first word stands twice.
    """
    pairs: dict[str, Line] = {}
    for line in read_lines(path):
        key, rest = line.fields(2, form)
        if not (rest.strip() or may_be_empty):
            raise line.refusal(f"a line is {form}, not {line.text!r:.80}")
        if key in pairs:
            raise line.refusal(f"id {key!r} stands on line {pairs[key].number} already")
        pairs[key] = Line(path=path, number=line.number, text=rest.strip())
    return pairs
