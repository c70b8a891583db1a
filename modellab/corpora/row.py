"""Row: one row of a table with named columns."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from modellab.corpora.line import Line, read_lines
from modellab.errors import BadManifest

_DELIMITERS = ",;\t"  # a spreadsheet writes semicolons where the comma is decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The cells of a row by the names of their columns, in lower case, and the file and line where it begins."""

    where: str
    cells: Mapping[str, str]

    def get(self, *names: str) -> str:
        """Give the cell of the first of these columns that there is, empty where there is none."""
        return next((self.cells[name] for name in names if name in self.cells), "")

    def rest(self, *names: str) -> dict[str, str]:
        """Give the other cells that hold something."""
        return {name: cell for name, cell in self.cells.items() if cell and name not in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The names of a table's columns, in lower case, and where they stand."""

    path: Path
    names: tuple[str, ...]
    delimiter: str

    def require(self, what: str, names: Iterable[str]) -> None:
        """Refuse a table that has none of these columns.

        Raises:
            BadManifest: naming the columns that there are.
        """
        allowed = tuple(names)
        if not set(allowed) & set(self.names):
            raise BadManifest(
                f"{self.path}:1: no column for {what} ({', '.join(allowed)}); "
                f"found: {', '.join(map(repr, self.names)) or 'nothing'}"
            )


def read_columns(path: Path) -> Columns:
    """Give the columns of a table. A `.csv` may be cut by commas, semicolons or tabs; any other by tabs.

    Raises:
        BadManifest: when the file cannot be read, or a column has no name or that of another.
    """
    header = next(read_lines(path), Line(path=path, number=1, text=""))
    delimiter = max(_DELIMITERS, key=header.text.count) if path.suffix.lower() == ".csv" else "\t"
    try:
        cells = next(csv.reader([header.text], _dialect(delimiter)), [])
    except csv.Error as error:
        raise header.refusal(f"not a table: {error}") from error
    names = tuple(cell.strip().lower() for cell in cells)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise header.refusal(f"two columns are named {twice!r}; found: {', '.join(map(repr, names))}")
    return Columns(path=path, names=names, delimiter=delimiter)


def read_rows(columns: Columns) -> Iterator[Row]:
    """Give the rows below the columns. Quotes frame a cell of a `.csv`; in a table cut by tabs they are letters.

    Raises:
        BadManifest: naming file and line, where a row has other columns or quotes are not closed.
    """
    path = columns.path
    reader = csv.reader(_texts(path), _dialect(columns.delimiter))
    last, below = 0, False
    try:
        for cells in reader:
            first, last = last + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not below:
                below = True
                continue
            if len(cells) != len(columns.names):
                raise BadManifest(f"{path}:{first}: {len(cells)} cells under {len(columns.names)} columns")
            stripped = (cell.strip() for cell in cells)
            yield Row(where=f"{path}:{first}", cells=dict(zip(columns.names, stripped, strict=True)))
    except csv.Error as error:
        raise BadManifest(f"{path}:{last + 1}: not a table: {error}") from error


def _texts(path: Path) -> Iterator[str]:
    """Give every line of a file with its end, blank ones too, so that they are counted as the file counts them."""
    number = 0
    for line in read_lines(path):
        yield from ["\n"] * (line.number - number - 1)
        yield f"{line.text}\n"
        number = line.number


def _dialect(cut_at: str) -> type[csv.Dialect]:
    class Cut(csv.excel):
        delimiter = cut_at
        quoting = csv.QUOTE_NONE if cut_at == "\t" else csv.QUOTE_MINIMAL
        strict = True

    return Cut
