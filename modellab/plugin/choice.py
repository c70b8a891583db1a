"""Choice: what this call of pytest is asked to measure, from the command line and the defaults."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from modellab.backends.base import DecodeOptions, JsonValue
from modellab.backends.device import AUTO, DEVICES, device_refusal
from modellab.backends.registry import COMPUTE_TYPES, backend_names, options_of
from modellab.backends.spec import ModelSpec
from modellab.checkpoints.registry import Registry
from modellab.corpora.selection import Selection, parse_selection, split_selections
from modellab.defaults import Defaults
from modellab.errors import UnknownName
from modellab.roster import combinations, matching
from modellab.scenarios.programme import Programme


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Models, corpora and how to run them.

    `timed_corpora` are heard in the timing lane; in `nonspeech_corpora` nobody speaks. `threads` of None shares the
    cores out among the workers. `options` are those that only one backend has, by backend. `cache` lets the accuracy
    lane recall what an equal model wrote for equal audio in an earlier run. `programme` says how much of each
    scenario is performed.
    """

    specs: tuple[ModelSpec, ...]
    corpora: tuple[Selection, ...]
    timed_corpora: tuple[Selection, ...]
    nonspeech_corpora: tuple[Selection, ...]
    limit: int | None
    seed: int
    batch_size: int
    rounds: int
    threads: int | None
    decode: DecodeOptions
    options: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    programme: Programme = field(default_factory=Programme)
    cache: bool = True


def add_options(parser: pytest.Parser) -> None:
    """Declare the options of the bench."""
    group = parser.getgroup("modellab", "speech recognition bench (lists take commas, names take globs)")
    group.addoption("--model", metavar="NAMES", help="checkpoints of models.toml, such as 'whisper-tiny*'")
    group.addoption("--backend", metavar="NAMES", help="runtimes, such as faster-whisper,transformers")
    group.addoption("--device", metavar="NAMES", help="cpu, cuda, cuda:1, mps, or auto for what is there")
    group.addoption("--compute-type", metavar="NAMES", help=", ".join(COMPUTE_TYPES))
    group.addoption("--corpus", metavar="NAMES", help="corpora of corpora.toml, or paths of manifests or folders")
    group.addoption("--nonspeech-corpus", metavar="NAMES", help="corpora in which nobody speaks")
    group.addoption("--limit", type=int, metavar="N", help="hear N utterances of each corpus, drawn by --seed")
    group.addoption("--seed", type=int, metavar="N", help="seed of every draw")
    group.addoption("--batch-size", type=int, metavar="N", help="utterances a batch in the accuracy lane")
    group.addoption("--rounds", type=int, metavar="N", help="times each utterance is heard in the timing lane")
    group.addoption("--threads", type=int, metavar="N", help="threads a model may use (the cores, shared by workers)")
    group.addoption("--run-dir", metavar="DIR", help="write records here, adding to a run that is there")
    group.addoption("--resume", metavar="RUN", help="go on with a run that was cut short, such as runs/latest")
    group.addoption(
        "--cache-dir", metavar="DIR", help="weights and corpora (else $MODELLAB_CACHE_DIR, else the user's)"
    )
    group.addoption(
        "--no-cache", action="store_true", help="hear everything, also what an equal model has heard before"
    )
    group.addoption("--unbudgeted", action="store_true", help="measure also what no budget is set for")
    parser.addini("modellab_fixtures", "folder with models.toml, corpora.toml, budgets.toml and bench.toml", default="")


def choose(config: pytest.Config, defaults: Defaults, checkpoints: Registry) -> Choice:
    """Give what the options ask for, filling in the defaults.

    Raises:
        UnknownName: when a name matches nothing, with the nearest that there is.
        pytest.UsageError: when a number is out of range.
    """
    backends = matching("backend", _names(config, "backend", defaults.backends), backend_names())
    models = matching("model", _names(config, "model", defaults.models), checkpoints.names)
    devices = _devices(_names(config, "device", defaults.devices))
    asked = _names(config, "compute_type", ())
    types = matching("compute type", asked, COMPUTE_TYPES) if asked else None
    return Choice(
        specs=combinations(models, backends, devices, lambda backend: types or defaults.compute_types_of(backend)),
        corpora=_corpora(config, defaults.corpora),
        timed_corpora=_corpora(config, defaults.timed_corpora),
        nonspeech_corpora=_corpora(config, defaults.nonspeech_corpora, "nonspeech_corpus"),
        limit=_count(config, "limit", None),
        seed=config.getoption("seed") if config.getoption("seed") is not None else defaults.seed,
        batch_size=_count(config, "batch_size", defaults.batch_size) or 1,
        rounds=_count(config, "rounds", defaults.rounds) or 1,
        threads=_count(config, "threads", None),
        decode=defaults.decode,
        options=_known(defaults.options),
        programme=defaults.programme,
        cache=not config.getoption("no_cache"),
    )


def run_folder(config: pytest.Config) -> Path | None:
    """Give the folder that --run-dir or --resume names, with links followed; None where neither is given.

    Raises:
        pytest.UsageError: when both are given, or there is no run to go on with.
    """
    named, resumed = config.getoption("run_dir"), config.getoption("resume")
    if named and resumed:
        raise pytest.UsageError("--run-dir and --resume both name a run: leave one out")
    if resumed and not (Path(resumed) / "run.json").is_file():
        raise pytest.UsageError(f"--resume: no run at {resumed}: there is no run.json in it")
    return Path(named or resumed).resolve() if named or resumed else None


def _names(config: pytest.Config, option: str, default: Sequence[str]) -> tuple[str, ...]:
    given = config.getoption(option)
    return tuple(part.strip() for part in given.split(",") if part.strip()) if given else tuple(default)


def _corpora(config: pytest.Config, default: Sequence[str], option: str = "corpus") -> tuple[Selection, ...]:
    given = config.getoption(option)
    selections = tuple(map(parse_selection, split_selections(given) if given else default))
    names = [selection.name for selection in selections]
    if len(set(names)) < len(names):
        twice = max(names, key=names.count)
        raise pytest.UsageError(f"--{option.replace('_', '-')}: two corpora would both be called {twice!r}")
    return selections


def _known(options: Mapping[str, Mapping[str, JsonValue]]) -> Mapping[str, Mapping[str, JsonValue]]:
    for backend, stated in options.items():
        for name in stated:
            if name not in options_of(backend):
                raise UnknownName(f"option of {backend}", name, options_of(backend), "It stands in bench.toml.")
    return options


def _devices(names: Iterable[str]) -> tuple[str, ...]:
    for name in names:
        if name != AUTO and device_refusal(name):
            raise UnknownName("device", name, (*DEVICES, AUTO))
    return tuple(names)


def _count(config: pytest.Config, option: str, default: int | None) -> int | None:
    value: int | None = config.getoption(option)
    if value is not None and value < 1:
        raise pytest.UsageError(f"--{option.replace('_', '-')} must be 1 or more, not {value}")
    return default if value is None else value
