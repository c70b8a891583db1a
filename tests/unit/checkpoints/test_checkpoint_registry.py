"""The definition file of checkpoints: what it may say, and what is said when it says anything else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from modellab.checkpoints.layouts import prepare, weights_sha256
from modellab.checkpoints.listing import list_checkpoints
from modellab.checkpoints.registry import Registry
from modellab.errors import BadCheckpoint, BadDefinition, UnknownName
from modellab.sources.folder import FolderSource
from modellab.sources.hub import HubSource
from modellab.sources.package import PackageSource

SHIPPED = Path(__file__).parents[3] / "fixtures" / "models.toml"
SHA256 = "a" * 64

ENTRY = f"""
schema = 1
[checkpoints."my-whisper"]
architecture = "whisper"
layout = "ctranslate2"
languages = ["de", "en"]
license = "MIT"
upstream = "me/mine"
revision = "1"
files = {{ "model.bin" = {{ sha256 = "{SHA256}", size_bytes = 5 }}, "config.json" = {{ size_bytes = 2 }} }}
[[checkpoints."my-whisper".sources]]
kind = "folder"
path = "mine"
[[checkpoints."my-whisper".sources]]
kind = "hub"
repo = "me/mine"
revision = "1"
[[checkpoints."my-whisper".sources]]
kind = "package"
[[checkpoints."my-whisper".sources.archives]]
project = "p"
version = "1"
sha256 = "{SHA256}"
members = {{ "model.bin" = ["a", "b"], "config.json" = "c" }}
"""


@pytest.fixture
def define(tmp_path: Path):
    """A maker of a definition file with one thing replaced."""

    def write(old: str = "", new: str = "") -> Path:
        assert old in ENTRY
        path = tmp_path / "models.toml"
        path.write_text(ENTRY.replace(old, new, 1) if old else ENTRY)
        return path

    return write


def test_an_entry_is_read_with_its_types(define, tmp_path: Path) -> None:
    """Files, languages and the three kinds of sources come out as values, in the order of the file."""
    mine = Registry.read(define()).get("my-whisper")
    assert (mine.languages, mine.layout, mine.license, mine.size_bytes) == (("de", "en"), "ctranslate2", "MIT", 7)
    assert [file.name for file in mine.files] == ["model.bin", "config.json"]
    assert not mine.pinned
    folder, hub, package = mine.sources
    assert folder == FolderSource(path="mine", base=tmp_path)
    assert hub == HubSource(repo="me/mine", revision="1")
    assert isinstance(package, PackageSource)
    assert package.archives[0].members == {"model.bin": ("a", "b"), "config.json": ("c",)}


def test_an_unknown_name_is_answered_with_the_nearest(define) -> None:
    """A name that is not there is answered with the closest one and with where names are defined."""
    with pytest.raises(UnknownName, match=r"Did you mean 'my-whisper'.*models\.toml"):
        Registry.read(define()).get("my-wisper")


@pytest.mark.parametrize(
    ("old", "new", "facts"),
    [
        ("schema = 1", "schema = 2", ("schema must be 1", "not 2")),
        ("schema = 1", "", ("schema must be 1", "missing")),
        ("license =", "licence =", ("my-whisper", "unknown key 'licence'", "Did you mean 'license'", "architecture")),
        ('license = "MIT"', "", ("license must be a text", "missing")),
        ('layout = "ctranslate2"', 'layout = "gguf"', ("layout", "'gguf'", "ctranslate2, ggml, ")),
        ('languages = ["de", "en"]', 'languages = "de"', ("languages must be a list of texts", "'de'")),
        ('kind = "folder"', 'kind = "ftp"', ("source 1", "'ftp'", "folder, hub, package")),
        ('path = "mine"', 'url = "x"', ("source 1", "unknown key 'url'", "kind, path")),
        ("size_bytes = 5", "size_bytes = -5", ("model.bin", "size_bytes", "0 or more", "-5")),
        ("size_bytes = 2", "sha1 = 2", ("config.json", "unknown key 'sha1'", "sha256, size_bytes")),
        (SHA256, "abc", ("model.bin", "64 lower-case", "'abc'")),
        ('"model.bin" = { sha', '"../model.bin" = { sha', ("my-whisper", "plain relative path")),
        ('"model.bin" = { sha', '"weights.bin" = { sha', ("ctranslate2 has its weights in 'model.bin'",)),
        ('version = "1"', "version = 1", ("source 3, archive 1", "version must be a text", "not 1")),
        ("members = {", "member = {", ("unknown key 'member'", "Did you mean 'members'")),
        ('"config.json" = "c"', '"config.json" = []', ("members: config.json must be a list",)),
        ('[checkpoints."my-whisper"]', '[checkpoints."../mine"]', ("../mine", "names a folder")),
    ],
)
def test_a_wrong_definition_names_the_place_and_what_is_allowed(
    define, old: str, new: str, facts: tuple[str, ...]
) -> None:
    """Each mistake is answered with the file, the entry, the key, what was found and what is allowed."""
    with pytest.raises(BadDefinition) as refused:
        Registry.read(define(old, new))
    for fact in ("models.toml", *facts):
        assert fact in str(refused.value)


ELSEWHERE = """
schema = 1
[checkpoints."my-server"]
architecture = "whisper"
languages = ["*"]
license = "MIT"
upstream = "the server in the cellar"
revision = "1"
options = { base_url = "http://localhost/v1", model = "small", retries = 2, key_in_clear = false }
"""


def test_a_model_elsewhere_has_options_and_no_files(tmp_path: Path) -> None:
    """Options stand instead of layout, files and sources; no hash and no size is known, and nothing can be fetched."""
    (tmp_path / "models.toml").write_text(ELSEWHERE)
    (mine,) = Registry.read(tmp_path / "models.toml")
    assert (mine.elsewhere, mine.layout, mine.files, mine.sources) == (True, "none", (), ())
    assert mine.options == {
        "base_url": "http://localhost/v1", "model": "small", "retries": 2, "key_in_clear": False,
    }  # fmt: skip
    assert (mine.pinned, mine.weights_sha256, mine.size_bytes) == (False, None, None)
    assert weights_sha256(mine, tmp_path) is None
    with pytest.raises(BadCheckpoint, match=r"my-server lies elsewhere \(the server in the cellar\)"):
        prepare(mine, "ctranslate2", tmp_path)
    (row,) = list_checkpoints([mine], tmp_path)
    assert (row.elsewhere, row.pinned, row.size_bytes, row.disk_bytes, row.present) == (True, False, None, 0, ())


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ('revision = "1"', 'revision = "1"\nlayout = "openai"', "unknown key 'layout'"),
        ("retries = 2", "retries = [2]", "options: retries must be a text, a number, true or false, not [2]"),
        ("http://localhost", "http://me:word@localhost", "options: base_url holds a user or a password"),
        ("options = {", "options = 1 # {", "options must be a table, not 1"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, old: str, new: str, fact: str) -> None:
    """Files beside options, values of other kinds and passwords are refused, and a password is not repeated."""
    assert old in ELSEWHERE
    (tmp_path / "models.toml").write_text(ELSEWHERE.replace(old, new))
    with pytest.raises(BadDefinition) as refused:
        Registry.read(tmp_path / "models.toml")
    assert fact in str(refused.value)
    assert "me:word" not in str(refused.value)


EXPORTED = """
schema = 1
[checkpoints."my-export"]
architecture = "zipformer"
layout = "sherpa-onnx"
languages = ["en"]
license = "MIT"
upstream = "mine"
revision = "1"
options = { kind = "transducer" }
files = { "tokens.txt" = {}, "encoder-9.int8.onnx" = { sha256 = "%s" }, "decoder-9.onnx" = {}, "joiner-9.onnx" = {} }
sources = [{ kind = "folder", path = "mine" }]
"""


def test_files_may_have_options_and_names_of_their_makers(tmp_path: Path) -> None:
    """A checkpoint with files tells its backend what it is; where names are free, the first file that fits is known."""
    (tmp_path / "models.toml").write_text(EXPORTED % SHA256)
    (mine,) = Registry.read(tmp_path / "models.toml")
    assert (mine.elsewhere, mine.options) == (False, {"kind": "transducer"})
    assert (mine.weights_file, mine.weights_sha256) == ("encoder-9.int8.onnx", SHA256)
    (tmp_path / "models.toml").write_text((EXPORTED % SHA256).replace(".onnx", ".bin"))
    with pytest.raises(BadDefinition, match=r"sherpa-onnx has its weights in '\*\.onnx'"):
        Registry.read(tmp_path / "models.toml")


@pytest.mark.parametrize(("content", "reason"), [(None, "no checkpoint definitions"), ("= 1", "is not TOML")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str | None, reason: str) -> None:
    """A missing file and one that is no TOML are errors with the path."""
    if content is not None:
        (tmp_path / "models.toml").write_text(content)
    with pytest.raises(BadDefinition, match=reason):
        Registry.read(tmp_path / "models.toml")


def test_the_shipped_checkpoints_are_pinned() -> None:
    """Every Whisper that we ship names a commit and pins its weights by SHA-256 and size; every file has a source."""
    shipped = Registry.read(SHIPPED)
    assert {"whisper-tiny.en", "whisper-base", "whisper-large-v3"} <= set(shipped.names)
    assert [checkpoint.name for checkpoint in shipped if not (checkpoint.sources or checkpoint.elsewhere)] == []
    whispers = [checkpoint for checkpoint in shipped if checkpoint.layout == "ctranslate2"]
    for checkpoint in whispers:
        assert re.fullmatch("[0-9a-f]{40}", checkpoint.revision), checkpoint.name
        assert checkpoint.weights_sha256, checkpoint.name
        assert checkpoint.size_bytes, checkpoint.name
    assert [checkpoint.name for checkpoint in whispers if not checkpoint.pinned] == ["distil-large-v3.5"]


def test_the_registry_is_quick_to_import() -> None:
    """Naming a checkpoint loads no runtime, no hub and no index client."""
    script = "import sys, modellab.checkpoints.registry; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "huggingface_hub", "pypi_simple", "requests", "tqdm", "numpy"} & set(loaded)
