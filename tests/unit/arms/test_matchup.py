"""Who is compared with whom: of two revisions, two environments, or two definitions in one."""

import json
import os
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modellab.arms.arm import ArmDefinition
from modellab.arms.definition import Wanted
from modellab.arms.matchup import HERE, Matchmaker, Matchup
from modellab.arms.revision import resolve
from modellab.backends.spec import parse_spec
from modellab.environments.environment import needs
from modellab.errors import BadDefinition, EnvironmentUnavailable, NothingToCompare, UnknownName
from modellab.speech.audio import Audio

ROOT = Path(__file__).parents[3]

BENCH = """
schema = 1
model = ["whisper-tiny.en", "whisper-base"]
backend = ["fake"]
device = ["cpu"]
corpus = ["tones"]
timed_corpus = ["tones"]
[compute_type]
default = ["float32"]
[decode]
beam_size = 1
"""
TINY, BASE = "fake:whisper-tiny.en:cpu:float32", "fake:whisper-base:cpu:float32"
Make = Callable[[str], Matchup]


@pytest.fixture
def matchmaker(tmp_path: Path) -> Matchmaker:
    """A matchmaker of a bench of the fake."""
    fixtures = tmp_path / "fixtures"
    fixtures.mkdir()
    (fixtures / "bench.toml").write_text(BENCH)
    (fixtures / "models.toml").write_text((ROOT / "fixtures" / "models.toml").read_text())
    return Matchmaker(fixtures=fixtures, cache=tmp_path / "cache", threads=2)


@pytest.fixture
def against(matchmaker: Matchmaker, tmp_path: Path) -> Make:
    """A maker of matchups of the bench with a file of this text."""

    def make(text: str) -> Matchup:
        (tmp_path / "base.toml").write_text(text)
        return matchmaker.models(tmp_path / "base.toml")

    return make


def paired(matchup: Matchup) -> list[tuple[str, str]]:
    """Give the ids of the pairs."""
    return [(base.id, candidate.id) for base, candidate in matchup.pairs]


# Two definitions


def test_equal_models_are_counterparts_in_any_order(against: Make) -> None:
    """Where both arms run the same models and listen otherwise, each model meets itself."""
    made = against('model = ["whisper-base", "whisper-tiny.en"]\n[decode]\nbeam_size = 5')
    assert paired(made) == [(TINY, TINY), (BASE, BASE)]
    base, candidate = made.contenders(made.pairs[0])
    assert (base.name, candidate.name) == (f"base {TINY}", f"candidate {TINY}")
    assert [arm.blueprint.fields["decode"] for arm in (base, candidate)] == [{"beam_size": 5}, {"beam_size": 1}]
    assert [arm.threads for arm in (base, candidate)] == [2, 2]
    assert base.python == candidate.python == Path(sys.executable)


def test_other_models_are_paired_by_place(against: Make) -> None:
    """Where the models differ, the first meets the first."""
    assert paired(against('model = ["whisper-base", "whisper-tiny"]')) == [
        (BASE, TINY),
        ("fake:whisper-tiny:cpu:float32", BASE),
    ]


def test_numbers_that_differ(against: Make) -> None:
    """Two models against one are refused, with both lists."""
    with pytest.raises(
        BadDefinition, match=rf"base\.toml: 1 models cannot be paired with 2\. The base has {BASE}; .*{TINY}"
    ):
        against('model = ["whisper-base"]')


@pytest.mark.parametrize("text", ['device = ["cpu"]', "[decode]\nbeam_size = 1", 'compute_type = ["float32"]'])
def test_equal_definitions(against: Make, text: str) -> None:
    """A file that says what the bench says is nothing to compare with."""
    with pytest.raises(NothingToCompare, match=r"nothing to compare: .*base\.toml says .* what .*bench\.toml says"):
        against(text)


def test_a_blueprint_states_no_default(against: Make) -> None:
    """Only what a definition states is sent: the defaults of a base are its own."""
    made = against("[decode]\nbeam_size = 5")
    stated = made.contenders(made.pairs[0])[0].blueprint
    assert set(stated.fields) == {"weights", "device", "compute_type", "threads", "decode"}
    assert stated.build().decode.beam_size == 5


# Two environments


def test_an_environment_that_exists(matchmaker: Matchmaker, tmp_path: Path) -> None:
    """Another interpreter is compared with this one, by the same definitions."""
    import venv

    venv.create(tmp_path / "other", with_pip=False)
    (site,) = (tmp_path / "other" / "lib").glob("python*/site-packages")
    (site / "lent.pth").write_text("\n".join([*(path for path in sys.path if "site-packages" in path), str(ROOT)]))
    made = matchmaker.environment(tmp_path / "other" / "bin" / "python")
    assert paired(made) == [(TINY, TINY), (BASE, BASE)]
    base, candidate = made.contenders(made.pairs[0])
    assert (base.python, candidate.python) == (tmp_path / "other" / "bin" / "python", Path(sys.executable))
    with base.worker(60) as worker:
        assert worker.transcribe([Audio(samples=np.zeros(1600, np.float32))])[0].text == "hello world"


def test_this_environment_against_itself(matchmaker: Matchmaker) -> None:
    """This interpreter, by whatever path, is nothing to compare with."""
    with pytest.raises(NothingToCompare, match="is this environment"):
        matchmaker.environment(Path(sys.executable))
    with pytest.raises(NothingToCompare, match="is this environment"):
        matchmaker.environment(Path(os.path.relpath(sys.prefix)))


def test_no_environment(matchmaker: Matchmaker, tmp_path: Path) -> None:
    """A path with no interpreter is named."""
    with pytest.raises(EnvironmentUnavailable, match=r"no interpreter at .*/gone"):
        matchmaker.environment(tmp_path / "gone")


# Two revisions


@pytest.fixture
def project(repository: Any, tmp_path: Path) -> Callable[[dict[str, str]], Any]:
    """A maker of matchups of a second commit, with these files, against the first."""

    def make(files: dict[str, str], wanted: Wanted | None = None) -> Any:
        repository.commit(files)
        fixtures = repository.folder / "fixtures"
        maker = Matchmaker(
            fixtures=fixtures, cache=tmp_path / "cache", wanted=wanted or Wanted(backends=("fake",)), threads=1
        )
        return maker.revisions(resolve("HEAD~1", repository.folder))

    return make


def test_each_revision_has_its_own_definitions(project: Any, repository: Any) -> None:
    """Options are those of each revision; models that one lacks are told apart, and none is dropped in silence."""
    bench = (repository.folder / "fixtures" / "bench.toml").read_text()
    now = bench.replace("beam_size = 1", "beam_size = 3").replace(
        '["whisper-tiny.en"]', '["whisper-tiny.en", "whisper-base"]'
    )
    with project({"fixtures/bench.toml": now}) as made:
        assert paired(made) == [(TINY, TINY)]
        assert [spec.id for spec in made.only_candidate] == [BASE]
        assert made.only_base == ()
        assert made.revision.candidate == repository.git("rev-parse", "HEAD")
        base, candidate = made.contenders(made.pairs[0])
        assert [arm.blueprint.fields["decode"]["beam_size"] for arm in (base, candidate)] == [1, 3]
        assert base.cwd != candidate.cwd
    assert not base.cwd.exists()


def test_a_model_that_was_removed(project: Any, repository: Any) -> None:
    """A model that the candidate no longer runs is named, so that a gate can say that nobody judged it."""
    bench = (repository.folder / "fixtures" / "bench.toml").read_text()
    repository.commit(
        {"fixtures/bench.toml": bench.replace('["whisper-tiny.en"]', '["whisper-tiny.en", "whisper-base"]')}
    )
    with project({"fixtures/bench.toml": bench}) as made:
        assert (paired(made), [spec.id for spec in made.only_base]) == ([(TINY, TINY)], [BASE])


def test_nothing_in_common(project: Any, repository: Any) -> None:
    """Two revisions of no common model are refused, with what each has."""
    bench = (repository.folder / "fixtures" / "bench.toml").read_text()
    now = {"fixtures/bench.toml": bench.replace("whisper-tiny.en", "whisper-base")}
    with pytest.raises(
        BadDefinition, match=rf"no model is in both arms\. The base has {TINY}; the candidate has {BASE}"
    ):
        project(now).__enter__()


def test_a_base_without_definitions(project: Any, repository: Any) -> None:
    """A revision from before there was a bench says whose definitions are missing, and what to do."""
    files = {name: (repository.folder / "fixtures" / name).read_text() for name in ("bench.toml", "models.toml")}
    for name in files:
        (repository.folder / "fixtures" / name).unlink()
    repository.commit()
    with pytest.raises(BadDefinition, match=r"the base's definitions cannot be followed: .*--base-models FILE"):
        project({f"fixtures/{name}": text for name, text in files.items()}).__enter__()


def test_a_revision_against_itself(repository: Any, tmp_path: Path) -> None:
    """The same commit is refused, unless that is what is asked for: both arms are then apart all the same."""
    maker = Matchmaker(
        fixtures=repository.folder / "fixtures", cache=tmp_path / "cache", wanted=Wanted(backends=("fake",))
    )
    revision = resolve("HEAD", repository.folder)
    with pytest.raises(NothingToCompare, match="is HEAD itself"):
        maker.revisions(revision).__enter__()
    with maker.revisions(revision, itself=True) as made:
        base, candidate = made.contenders(made.pairs[0])
        assert base.cwd != candidate.cwd
        assert base.env != candidate.env


def test_a_backend_that_an_arm_lacks(matchmaker: Matchmaker, against: Make) -> None:
    """A model whose backend an environment does not have, or cannot import, is an error that names both."""
    from dataclasses import replace

    made = against("[decode]\nbeam_size = 5")
    bare: ArmDefinition = replace(made.base, interpreter=replace(made.base.interpreter, layouts={"other": "none"}))
    with pytest.raises(
        EnvironmentUnavailable, match=r"the base \(this environment\) has no backend 'fake'; it has other"
    ):
        bare.contender(made.pairs[0][0])
    broken = replace(made.base, interpreter=replace(made.base.interpreter, broken={"fake": "no libfake.so"}))
    with pytest.raises(EnvironmentUnavailable, match=r"the base cannot import its backend 'fake': no libfake\.so"):
        broken.contender(made.pairs[0][0])


def test_an_unknown_model(matchmaker: Matchmaker) -> None:
    """A name on the command line that the candidate does not have is its error, with the nearest."""
    from dataclasses import replace

    with pytest.raises(UnknownName, match=r"no checkpoint 'whisper-tny'.*whisper-tiny"):
        replace(matchmaker, wanted=Wanted(models=("whisper-tny",))).models(Path("x"))
    assert HERE.python == Path(sys.executable)


def test_the_options_of_a_server_reach_both_arms(matchmaker: Matchmaker, against: Make) -> None:
    """A model that lies elsewhere is told to each arm by the options that the definition states, without weights."""
    with (matchmaker.fixtures / "models.toml").open("a") as models:
        models.write(
            '[checkpoints.my-server]\narchitecture = "whisper"\nlanguages = ["*"]\nlicense = "MIT"\nupstream = "mine"\n'
            'revision = "1"\noptions = { base_url = "http://localhost/v1", model = "small" }\n'
        )
    made = against("[decode]\nbeam_size = 5")
    for arm in (made.base, made.candidate):
        stated = arm.contender(parse_spec("remote:my-server:cpu:float32")).blueprint.fields
        assert (stated["base_url"], stated["model"], stated["weights"]) == ("http://localhost/v1", "small", None)


def test_options_of_one_backend_are_compared(against: Make) -> None:
    """Definitions that differ in nothing but a backend's own options are two arms, each told its own."""
    made = against("[options.fake]\nseconds_per_audio = 0.001")
    base, candidate = made.contenders(made.pairs[0])
    assert base.blueprint.fields["seconds_per_audio"] == 0.001
    assert "seconds_per_audio" not in candidate.blueprint.fields


def test_a_model_with_an_environment_runs_there_in_both_arms(matchmaker: Matchmaker, against: Make) -> None:
    """What the bench sends to an environment goes there for both arms; one that was not made is named."""
    bench = matchmaker.fixtures / "bench.toml"
    bench.write_text(BENCH + '[environment]\nfake = "apart"\n')
    (matchmaker.fixtures / "environments.toml").write_text("schema = 1\n[environments.apart]\n")
    made = against("[decode]\nbeam_size = 5")
    with pytest.raises(EnvironmentUnavailable, match="modellab env create apart"):
        made.contenders(made.pairs[0])
    apart = matchmaker.cache / "environments" / "apart"
    venv.create(apart, with_pip=False, symlinks=True)
    homes = made.base.homes
    assert homes is not None
    stamp = {"needs": needs(homes.definitions.get("apart"))}
    (apart / "environment.json").write_text(json.dumps(stamp))
    assert {contender.python for contender in made.contenders(made.pairs[0])} == {apart / "bin" / "python"}
