"""The index of runs, in both databases: what is put in is found, page by page, and what is taken out is not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from modellab.errors import Refused
from modellab.server.database import Database
from modellab.server.library.cursor import read_cursor, write_cursor
from modellab.server.library.entry import Entry
from modellab.server.library.index import Index, Wanted
from modellab.server.library.labels import Labels


def entry(number: int, **facts: object) -> Entry:
    """Give an entry of a run."""
    plain = Entry(
        id=f"01ARZ3NDEKTSV4RRFFQ69G5F{number:02}",
        folder=f"run-{number}",
        created_at=f"2026-01-01T00:00:{number // 2:02}+00:00",
        state="complete",
        models=("m1",),
        corpora=("c1", "c2"),
        languages=("en",),
        utterances=number % 3,
        records_bytes=2**40 + number,
        size_bytes=number,
        labels=Labels(),
        signature=str(number),
    )
    return replace(plain, **facts)  # type: ignore[arg-type]


@pytest.fixture(params=["sqlite", "postgresql"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    """Give an empty index in each kind of database."""
    url = f"sqlite:///{tmp_path}/index.db" if request.param == "sqlite" else request.getfixturevalue("postgresql")
    database = Database.open(url)
    made = Index(database)
    made.change(tuple(made.known()), ())
    yield made
    database.close()


def test_what_is_put_in_is_found(index: Index) -> None:
    """An entry comes back as it was, by its id and among those that are known."""
    one = entry(1, labels=Labels(pinned=True, tags=("a", "b"), label="Nightly"), models=("m1", 'm"2'), state="running")
    index.change((), (one, entry(2)))
    assert index.find(one.id) == one
    assert index.find("nobody") is None
    assert index.known() == {"run-1": (one.id, "1"), "run-2": (entry(2).id, "2")}


def test_pages(index: Index) -> None:
    """Pages under every order hold each entry once, in order, and ties go by id."""
    entries = [entry(number) for number in range(7)]
    index.change((), entries)
    for sort, key in (("created_at", "created_at"), ("-created_at", "created_at"), ("-utterances", "utterances"),
                      ("records_bytes", "records_bytes")):  # fmt: skip
        seen: list[Entry] = []
        cursor = None
        while True:
            page = index.page(Wanted(), sort, cursor, 3)  # type: ignore[arg-type]
            assert page.total == 7
            seen += page.entries
            cursor = page.next
            if cursor is None:
                break
        by_id = sorted(entries, key=lambda each: each.id, reverse=sort.startswith("-"))
        by_key = sorted(by_id, key=lambda each, key=key: getattr(each, key), reverse=sort.startswith("-"))
        assert seen == by_key, sort


def test_choosing(index: Index) -> None:
    """What is wanted holds together, and words are taken as they are written."""
    index.change(
        (),
        (
            entry(1, labels=Labels(pinned=True, tags=("x",))),
            entry(2, models=("m1", "m2"), folder="Odd_Näme%"),
            entry(3, corpora=("c3",), state="partial"),
        ),
    )

    def found(**wanted: object) -> list[str]:
        page = index.page(Wanted(**wanted), "created_at", None, 9)  # type: ignore[arg-type]
        assert page.total == len(page.entries)
        return [each.folder for each in page.entries]

    assert found(model="m2") == found(words="NÄME") == found(words="d_n") == ["Odd_Näme%"]
    assert found(corpus="c3") == found(state="partial") == ["run-3"]
    assert found(tag="x") == found(pinned=True) == ["run-1"]
    assert found(pinned=False, model="m1") == ["Odd_Näme%", "run-3"]
    assert found(words="%") == ["Odd_Näme%"]
    assert found(model="m") == found(tag="m1") == []


def test_changes(index: Index) -> None:
    """A folder or an id that comes anew takes the place of what was there, with all its words."""
    index.change((), (entry(1, models=("old",)), entry(2)))
    before = index.revision()
    moved = entry(1, folder="moved", models=("new",))
    again = replace(entry(3), folder="run-2")
    index.change((), (moved, again))
    assert index.revision() == before + 1
    assert index.known() == {"moved": (moved.id, "1"), "run-2": (again.id, "3")}
    assert index.page(Wanted(model="old"), "created_at", None, 9).total == 0
    index.change(("moved", "never there"), ())
    assert list(index.known()) == ["run-2"]
    index.change((), ())
    assert index.revision() == before + 2, "nothing was changed"


def test_all_or_nothing(index: Index) -> None:
    """Where one of many cannot be put in none is."""
    index.change((), (entry(1),))
    with pytest.raises(Exception, match=r"(?i)unique"):
        index.change(("run-1",), (entry(2), replace(entry(3), folder="run-2")))
    assert list(index.known()) == ["run-1"]


@settings(deadline=None)
@given(place=st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"]))))
def test_cursors_come_back(place: tuple[int, str]) -> None:
    """A cursor says under its order what it was written from, and under no other."""
    adapter: TypeAdapter[tuple[int, str]] = TypeAdapter(tuple[int, str])
    written = write_cursor("x", place)
    assert read_cursor(written, "x", adapter) == place
    assert set(written) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    with pytest.raises(Refused):
        read_cursor(written, "-x", adapter)


@settings(deadline=None)
@given(written=st.text() | st.binary().map(lambda raw: raw.decode("latin1")))
def test_forged_cursors(written: str) -> None:
    """Whatever is no cursor is refused, and raises nothing else."""
    with pytest.raises(Refused) as caught:
        read_cursor(written, "x", TypeAdapter(tuple[int, str]))
    assert (caught.value.status, caught.value.code) == (400, "bad_cursor")
