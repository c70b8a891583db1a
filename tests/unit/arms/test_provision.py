"""The weights of two arms that call theirs by one name."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.arms.provision import provide
from modellab.checkpoints.registry import Registry
from modellab.errors import SourceUnreachable, UnknownName

Define = Callable[..., Registry]


@pytest.fixture
def define(tmp_path: Path) -> Define:
    """A maker of registries of one checkpoint, in a folder of their own, whose weights lie in `source`."""

    def make(
        name: str, content: bytes, source: str = "weights", *, pinned: bool = True, there: bool = True
    ) -> Registry:
        fixtures = tmp_path / name
        fixtures.mkdir()
        if there:
            (fixtures / source).mkdir()
            (fixtures / source / "model.pt").write_bytes(content)
        pin = f'{{ sha256 = "{hashlib.sha256(content).hexdigest()}" }}' if pinned else "{}"
        (fixtures / "models.toml").write_text(
            f"""
schema = 1
[checkpoints.mine]
architecture = "whisper"
layout = "openai"
languages = ["en"]
license = "MIT"
upstream = "here"
revision = "1"
files = {{ "model.pt" = {pin} }}
sources = [{{ kind = "folder", path = "{source}" }}]
"""
        )
        return Registry.read(fixtures / "models.toml")

    return make


def content(folder: Path) -> bytes:
    """Give what the weights are."""
    return (folder / "model.pt").read_bytes()


def test_equal_weights_are_fetched_once(define: Define, tmp_path: Path) -> None:
    """Where both pin the same file, both have the one that everyday's cache holds."""
    base, candidate = define("base", b"same"), define("candidate", b"same")
    folders = [provide("mine", "openai", arm, candidate, tmp_path / "cache").folder for arm in (base, candidate)]
    assert folders[0] == folders[1] == tmp_path / "cache" / "checkpoints" / "mine" / "openai"


@pytest.mark.parametrize("pinned", [True, False])
def test_other_weights_of_one_name_lie_apart(define: Define, tmp_path: Path, pinned: bool) -> None:
    """Each arm has its own weights, whichever is fetched last, and both stay where they are."""
    base, candidate = define("base", b"old", pinned=pinned), define("candidate", b"new", pinned=pinned)
    cache = tmp_path / "cache"
    made = [provide("mine", "openai", arm, candidate, cache) for arm in (base, candidate, base)]
    assert [content(weights.folder) for weights in made] == [b"old", b"new", b"old"]
    assert made[0].folder == made[2].folder
    assert made[0].sha256 == hashlib.sha256(b"old").hexdigest()


def test_a_name_that_the_candidate_dropped(define: Define, tmp_path: Path) -> None:
    """A checkpoint that only the base defines is provided too."""
    base, candidate = define("base", b"old"), Registry(path=tmp_path / "models.toml", checkpoints=())
    assert content(provide("mine", "openai", base, candidate, tmp_path / "cache").folder) == b"old"
    with pytest.raises(UnknownName, match="no checkpoint 'mine'"):
        provide("mine", "openai", candidate, base, tmp_path / "cache")


def test_a_folder_that_is_in_no_revision(define: Define, tmp_path: Path) -> None:
    """Weights that lie beside the user's definitions, and not in the base's checkout, are found there."""
    base, candidate = define("base", b"same", pinned=False, there=False), define("candidate", b"same", pinned=False)
    made = provide("mine", "openai", base, candidate, tmp_path / "cache")
    assert made.folder == tmp_path / "cache" / "checkpoints" / "mine" / "openai"


def test_weights_that_nobody_has(define: Define, tmp_path: Path) -> None:
    """A folder that neither arm has is an error that names the checkpoint and what was tried."""
    base, candidate = define("base", b"x", there=False), define("candidate", b"y", "elsewhere")
    with pytest.raises(SourceUnreachable, match=r"(?s)mine: no source gave its files.*there is no folder"):
        provide("mine", "openai", base, candidate, tmp_path / "cache")
