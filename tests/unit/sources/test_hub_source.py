"""Files from the hub. The library reads its environment when imported, so each test asks in a fresh process."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO, COMMIT = "lab/tiny", "c" * 40
BODY = b"weights"
SHA256 = hashlib.sha256(BODY).hexdigest()
GIT_SHA1 = hashlib.sha1(b"blob 7\0" + BODY).hexdigest()

FETCH = """
import sys
from pathlib import Path
from modellab.errors import ModelLabError
from modellab.sources.files import PinnedFile
from modellab.sources.hub import HubSource
into, sha256 = Path(sys.argv[1]), sys.argv[2] or None
try:
    HubSource(repo="lab/tiny", revision="c" * 40).fetch((PinnedFile(name="model.bin", sha256=sha256),), into)
except ModelLabError as error:
    print(type(error).__name__, error)
else:
    print((into / "model.bin").read_text())
"""


@pytest.fixture
def ask(tmp_path: Path):
    """A maker of one request in a fresh process: what it printed."""

    def run(
        endpoint: str = "http://127.0.0.1:9", *, sha256: str = "", home: Path = tmp_path / "hf", offline: bool = False
    ):
        into = tmp_path / "into"
        into.mkdir(exist_ok=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": str(int(offline))}
        command = [sys.executable, "-c", FETCH, str(into), sha256]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert told.returncode == 0, told.stderr
        return told.stdout.strip()

    return run


def test_a_mirror_is_asked_through_hf_endpoint(site, ask) -> None:
    """A file comes from the endpoint the environment names, under its own name."""
    site.publish(REPO, COMMIT, "model.bin", BODY, etag=SHA256)
    assert ask(site.url, sha256=SHA256) == "weights"


def test_what_the_cache_has_needs_no_hub(site, ask) -> None:
    """A file that another tool has fetched into HF_HOME is used offline."""
    site.publish(REPO, COMMIT, "model.bin", BODY, etag=SHA256)
    ask(site.url)
    assert ask(offline=True, sha256=SHA256) == "weights"


def test_offline_without_the_file_says_so(ask) -> None:
    """With HF_HUB_OFFLINE and nothing in the cache, both are named in one line."""
    told = ask(offline=True)
    assert told.startswith("SourceUnreachable model.bin: not in the hub's cache (HF_HOME)")
    assert "HF_HUB_OFFLINE" in told
    assert "\n" not in told


@pytest.mark.parametrize("etag", [SHA256, GIT_SHA1])
def test_an_unpinned_file_is_held_against_what_the_hub_announces(site, ask, etag: str) -> None:
    """The hub names large files by SHA-256 and small ones by git's hash; either proves an unpinned file."""
    site.publish(REPO, COMMIT, "model.bin", BODY, etag=etag)
    assert ask(site.url) == "weights"


def test_an_unpinned_file_with_another_hash_is_refused(site, ask) -> None:
    """What differs from the hash that the hub announces is refused with both hashes."""
    site.publish(REPO, COMMIT, "model.bin", BODY, etag="0" * 64)
    told = ask(site.url)
    assert told.startswith("WrongHash")
    assert SHA256 in told
    assert "0" * 64 in told


def test_an_unpinned_file_without_any_announced_hash_is_refused(site, ask) -> None:
    """Where neither we nor the hub know a hash, nothing is trusted."""
    site.publish(REPO, COMMIT, "model.bin", BODY, etag="v1")
    assert "announces no hash" in ask(site.url)


def test_a_damaged_cache_is_fetched_again(site, ask, tmp_path: Path) -> None:
    """A pinned file that is damaged in the hub's cache is downloaded anew."""
    site.publish(REPO, COMMIT, "model.bin", BODY, etag=SHA256)
    ask(site.url)
    (blob,) = (tmp_path / "hf").rglob(f"blobs/{SHA256}")
    blob.unlink()
    blob.write_bytes(b"garbage")
    assert ask(site.url, sha256=SHA256) == "weights"


def test_a_damaged_cache_offline_is_left_for_the_hash_to_refuse(site, ask, tmp_path: Path) -> None:
    """Offline, a damaged file is handed on as it is: whoever asked verifies it, and names both hashes."""
    site.publish(REPO, COMMIT, "model.bin", BODY, etag=SHA256)
    ask(site.url)
    (blob,) = (tmp_path / "hf").rglob(f"blobs/{SHA256}")
    blob.unlink()
    blob.write_bytes(b"garbage")
    assert ask(offline=True, sha256=SHA256) == "garbage"


def test_a_missing_file_is_one_line(site, ask) -> None:
    """A file that the repository lacks is an error of one line with the reason."""
    told = ask(site.url)
    assert told.startswith("SourceUnreachable model.bin: ")
    assert "\n" not in told
