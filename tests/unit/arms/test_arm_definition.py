"""What an arm runs, as its definitions, a file of changes and a command line say."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.arms.definition import Definition, Wanted, backends_named, changed_by, read_definition
from modellab.errors import BadDefinition, UnknownName

ROOT = Path(__file__).parents[3]
BACKENDS = ("fake", "faster-whisper", "openai-whisper", "transformers")

BENCH = """
schema = 1
model = ["whisper-tiny.en", "whisper-base"]
backend = ["faster-whisper", "transformers"]
device = ["cpu"]
corpus = ["tones"]
timed_corpus = ["tones"]
[compute_type]
default = ["float32"]
faster-whisper = ["int8", "float32"]
[decode]
beam_size = 1
temperatures = [0.0]
"""


@pytest.fixture
def fixtures(tmp_path: Path) -> Path:
    """A folder of definitions."""
    (tmp_path / "bench.toml").write_text(BENCH)
    (tmp_path / "models.toml").write_text((ROOT / "fixtures" / "models.toml").read_text())
    return tmp_path


@pytest.fixture
def change(fixtures: Path) -> Callable[[str], Definition]:
    """A maker of the definition that a file of this text makes of the folder's."""

    def make(text: str) -> Definition:
        (fixtures / "base.toml").write_text(text)
        return changed_by(read_definition(fixtures, BACKENDS, Wanted()), fixtures / "base.toml", BACKENDS)

    return make


def ids(definition: Definition) -> list[str]:
    """Give the ids of what is run."""
    return [spec.id for spec in definition.specs]


def test_what_the_folder_says(fixtures: Path) -> None:
    """Every model on every backend in what that is run in; and only those decode options that are stated."""
    read = read_definition(fixtures, BACKENDS, Wanted())
    assert ids(read)[:3] == [
        "faster-whisper:whisper-tiny.en:cpu:int8",
        "faster-whisper:whisper-tiny.en:cpu:float32",
        "transformers:whisper-tiny.en:cpu:float32",
    ]
    assert len(read.specs) == 6
    assert read.decode == {"beam_size": 1, "temperatures": [0.0]}


def test_what_is_asked_for(fixtures: Path) -> None:
    """Names and globs take the place of the lists, of the backends too that the folder does not run."""
    wanted = Wanted(models=("*tiny.en",), backends=("faster*", "openai-whisper"), compute_types=("float32",))
    assert ids(read_definition(fixtures, BACKENDS, wanted)) == [
        "faster-whisper:whisper-tiny.en:cpu:float32",
        "openai-whisper:whisper-tiny.en:cpu:float32",
    ]


def test_a_base_may_lack_what_is_asked_for(fixtures: Path) -> None:
    """A name that only the candidate has is no error of the base; one of the base's own file is."""
    wanted = Wanted(backends=("faster-whisper", "brand-new"), models=("whisper-tiny.en",))
    assert len(read_definition(fixtures, BACKENDS, wanted, lenient=True).specs) == 2
    with pytest.raises(UnknownName, match="no backend 'brand-new'"):
        read_definition(fixtures, BACKENDS, wanted)
    with pytest.raises(UnknownName, match=r"no backend 'transformers'.*It stands in .*bench\.toml"):
        read_definition(fixtures, ("faster-whisper",), Wanted(), lenient=True)


@pytest.mark.parametrize(
    ("before", "after", "error", "words"),
    [
        ('"cpu"', '"cup"', BadDefinition, r"bench\.toml: unknown device 'cup'"),
        ('"int8"', '"int7"', UnknownName, r"no compute type 'int7'.*'int8'.*bench\.toml"),
        ('"whisper-base"', '"whisper-bass"', UnknownName, r"no checkpoint 'whisper-bass'.*'whisper-base'"),
        ("beam_size = 1", "beam_size = 0", BadDefinition, "beam_size"),
        ("beam_size = 1", "beam = 1", BadDefinition, r"unknown key 'beam'.*'beam_size'"),
        ("[decode]", "[decode", BadDefinition, r"bench\.toml"),
    ],
)
def test_what_a_folder_may_not_say(fixtures: Path, before: str, after: str, error: type[Exception], words: str) -> None:
    """Each mistake is named with its file, and the nearest that is right."""
    (fixtures / "bench.toml").write_text(BENCH.replace(before, after))
    with pytest.raises(error, match=words):
        read_definition(fixtures, BACKENDS, Wanted())


def test_no_folder(tmp_path: Path) -> None:
    """A folder without definitions is named."""
    with pytest.raises(BadDefinition, match=rf"{tmp_path}/none/bench\.toml"):
        read_definition(tmp_path / "none", BACKENDS, Wanted())


def test_the_backends_that_are_named(fixtures: Path) -> None:
    """Before there is an environment, globs are of the backends that are known here; a name stands for itself."""
    assert backends_named(fixtures, Wanted(), BACKENDS) == ("faster-whisper", "transformers")
    assert backends_named(fixtures, Wanted(backends=("*whisper", "old")), BACKENDS) == (
        "faster-whisper",
        "openai-whisper",
        "old",
    )


# A file of changes


def test_another_compute_type(change: Callable[[str], Definition]) -> None:
    """What the file does not say stays; a list of compute types is for all backends, a table for each."""
    assert ids(change('backend = ["faster-whisper"]\ncompute_type = ["int8"]')) == [
        "faster-whisper:whisper-tiny.en:cpu:int8",
        "faster-whisper:whisper-base:cpu:int8",
    ]
    tabled = change('model = ["whisper-base"]\n[compute_type]\ndefault = ["float16"]\ntransformers = ["bfloat16"]')
    assert ids(tabled) == ["faster-whisper:whisper-base:cpu:float16", "transformers:whisper-base:cpu:bfloat16"]
    assert tabled.decode == {"beam_size": 1, "temperatures": [0.0]}


def test_other_options_of_listening(change: Callable[[str], Definition]) -> None:
    """Single options are changed; the others stay as the candidate's."""
    changed = change("[decode]\nbeam_size = 5\nvad = true")
    assert changed.decode == {"beam_size": 5, "temperatures": [0.0], "vad": True}
    assert len(changed.specs) == 6


def test_a_backend_that_is_new(change: Callable[[str], Definition]) -> None:
    """A runtime that the candidate does not run needs to be told what it computes in."""
    with pytest.raises(BadDefinition, match="compute_type must say what openai-whisper is run in"):
        change('backend = ["openai-whisper"]')
    made = change('backend = ["openai-whisper"]\nmodel = ["whisper-base"]\ncompute_type = ["float32"]')
    assert ids(made) == ["openai-whisper:whisper-base:cpu:float32"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", BadDefinition, r"base\.toml changes nothing: give one or more of model, backend"),
        ("schema = 1", BadDefinition, "changes nothing"),
        ('models = ["x"]', BadDefinition, r"base\.toml: unknown key 'models'. Did you mean 'model'\?"),
        ('corpus = ["x"]', BadDefinition, "unknown key 'corpus'"),
        ('model = "whisper-base"', BadDefinition, "model must be a list of texts"),
        ('model = ["whisper-bass"]', UnknownName, r"'whisper-base'.*It stands in .*base\.toml"),
        ('backend = ["quicker-whisper"]', UnknownName, r"'faster-whisper'.*It stands in .*base\.toml"),
        ('compute_type = ["int9"]', UnknownName, r"no compute type 'int9'.*base\.toml"),
        ('device = ["tpu"]', BadDefinition, "unknown device 'tpu'"),
        ("[decode]\nbeams = 5", BadDefinition, "unknown key 'beams'"),
        ("[decode]\ntask = 'sing'", BadDefinition, r"base\.toml: decode: task must be one of"),
        ("decode = 3", BadDefinition, "decode must be a table"),
        ("[decode]\nbeam_size = 'five'", BadDefinition, r"base\.toml: "),
        ("model = [", BadDefinition, r"base\.toml is not TOML"),
    ],
)
def test_what_a_file_of_changes_may_not_say(
    change: Callable[[str], Definition], text: str, error: type[Exception], words: str
) -> None:
    """Each mistake is named with its file, and what is allowed."""
    with pytest.raises(error, match=words):
        change(text)


def test_no_file_of_changes(fixtures: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(BadDefinition, match=r"no bench definition at .*none\.toml"):
        changed_by(read_definition(fixtures, BACKENDS, Wanted()), fixtures / "none.toml", BACKENDS)
