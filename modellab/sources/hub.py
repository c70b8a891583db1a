"""HubSource: files of a repository on the Hugging Face Hub, or on a mirror that speaks its language.

Source: https://github.com/huggingface/huggingface_hub (Apache-2.0). It reads HF_ENDPOINT, HF_HOME, HF_HUB_CACHE,
HF_HUB_OFFLINE and HF_TOKEN when it is first imported.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modellab.errors import SourceUnreachable, WrongHash
from modellab.sources.files import PinnedFile, is_sha256, place, sha256_of

_GIT_HASH_DIGITS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """A repository on the hub at one revision: a commit, or a branch such as "main" where none is known."""

    repo: str
    revision: str

    def describe(self) -> str:
        """Say which repository and revision."""
        return f"hub {self.repo}@{self.revision[:12]}"

    def fetch(self, files: Sequence[PinnedFile], into: Path) -> None:
        """Take the files from the hub's cache on this disk, else from the hub.

        A file that nobody has pinned is held against the hash that the hub itself announces.
        """
        for file in files:
            cached = self._download(file)
            if file.sha256 is None:
                self._check_announced(cached, file)
            elif sha256_of(cached) != file.sha256 and not _offline():
                cached = self._download(file, again=True)
            place(cached, into / file.name)

    def _download(self, file: PinnedFile, *, again: bool = False) -> Path:
        from huggingface_hub import errors, hf_hub_download

        try:
            return Path(hf_hub_download(self.repo, file.name, revision=self.revision, force_download=again))
        except (errors.HTTPError, errors.XetDownloadError, OSError, ValueError, RuntimeError) as error:  # type: ignore[attr-defined]
            raise SourceUnreachable(f"{file.name}: {_reason(error, self)}") from error

    def _check_announced(self, cached: Path, file: PinnedFile) -> None:
        announced = self._announced(cached, file)
        found = sha256_of(cached) if is_sha256(announced) else _git_hash(cached)
        if found != announced:
            raise WrongHash(
                f"{file.name} has the hash {found}, but the hub announces {announced}; "
                f"remove {cached.resolve()} and try again"
            )

    def _announced(self, cached: Path, file: PinnedFile) -> str:
        """Give the SHA-256 or git hash of the file: the hub's cache names its blobs by it."""
        blob = cached.resolve().name
        announced = blob if _is_hash(blob) else self._etag(file)
        if not _is_hash(announced):
            raise SourceUnreachable(f"{file.name} is not pinned, and the hub announces no hash for it")
        return announced

    def _etag(self, file: PinnedFile) -> str:
        from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url

        try:
            url = hf_hub_url(self.repo, file.name, revision=self.revision)
            return get_hf_file_metadata(url).etag or ""
        except (errors.HTTPError, OSError, ValueError) as error:  # type: ignore[attr-defined]
            raise SourceUnreachable(f"{file.name}: {_reason(error, self)}") from error


def _offline() -> bool:
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def _is_hash(text: str) -> bool:
    return is_sha256(text) or (len(text) == _GIT_HASH_DIGITS and set(text) <= set("0123456789abcdef"))


def _git_hash(path: Path) -> str:
    """Give the name git would give a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _reason(error: Exception, source: HubSource) -> str:
    """Give one line that says what went wrong; the library's own messages run over many."""
    from huggingface_hub import constants, errors

    known: tuple[tuple[type[Exception], str], ...] = (
        (errors.GatedRepoError, f"{source.repo} is gated; accept its terms and set HF_TOKEN"),
        (errors.RepositoryNotFoundError, f"there is no repository {source.repo}, or it needs a token (HF_TOKEN)"),
        (errors.RevisionNotFoundError, f"{source.repo} has no revision {source.revision}"),
        (errors.RemoteEntryNotFoundError, f"{source.repo} has no such file at {source.revision}"),
        (errors.LocalEntryNotFoundError, _absence(offline=_offline(), endpoint=constants.ENDPOINT)),
    )
    for kind, text in known:
        if isinstance(error, kind):
            return text
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}"


def _absence(*, offline: bool, endpoint: str) -> str:
    if offline:
        return "not in the hub's cache (HF_HOME), and HF_HUB_OFFLINE forbids asking"
    return f"not in the hub's cache (HF_HOME), and {endpoint} cannot be reached (HF_ENDPOINT)"
