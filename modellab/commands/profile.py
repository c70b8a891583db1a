"""modellab profile: where the time of a model goes, as a table and a flame graph."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from modellab.commands.console import console

if TYPE_CHECKING:
    from modellab.backends.base import Backend
    from modellab.backends.spec import ModelSpec
    from modellab.checkpoints.registry import Checkpoint
    from modellab.defaults import Defaults
    from modellab.measuring.model import Model
    from modellab.measuring.stages import Profile
    from modellab.speech.utterance import Corpus

FLAME_S = 10.0  # a thousand samples


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    profile = commands.add_parser(
        "profile",
        help="show where the time of a model goes",
        description="Hear a corpus one utterance at a time, after a warm-up, and show where the time goes.",
    )
    profile.add_argument("model", metavar="MODEL", help="BACKEND:CHECKPOINT:DEVICE:COMPUTE_TYPE")
    profile.add_argument("corpus", metavar="CORPUS", help="as --corpus of pytest takes it, such as librivox")
    profile.add_argument("--threads", type=_count, metavar="N", help="threads the model may use (the cores)")
    profile.add_argument("--rounds", type=_count, metavar="N", help="times each utterance is heard (bench.toml)")
    profile.add_argument("--limit", type=_count, metavar="N", help="hear N utterances, drawn by the bench's seed")
    profile.add_argument(
        "--flame",
        type=_flame_file,
        metavar="FILE",
        help="draw a flame graph: FILE.svg, or FILE.json for speedscope",
    )
    profile.add_argument("--json", action="store_true", help="print one JSON object")
    profile.set_defaults(run=_profile)


def _count(written: str) -> int:
    count = int(written)
    if count < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return count


def _flame_file(written: str) -> Path:
    from modellab.measuring.flame import FORMATS

    path = Path(written)
    if path.suffix not in FORMATS:
        raise argparse.ArgumentTypeError(f"must end with {' or '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    return path


def _profile(options: argparse.Namespace) -> None:
    from modellab.backends.spec import parse_spec
    from modellab.defaults import read_defaults
    from modellab.measuring.flame import py_spy
    from modellab.measuring.stages import profile

    if options.flame:
        py_spy()
    defaults = read_defaults(options.fixtures / "bench.toml")
    rounds = options.rounds or defaults.rounds
    model = _model(parse_spec(options.model), options, defaults)
    try:
        corpus = _corpus(options, defaults)
        found = profile(model, corpus, rounds)
        if options.json:
            _print_json(found, model, corpus, rounds)
        else:
            _print_table(found, model, corpus, rounds)
        if options.flame:
            _draw(options.flame, found.whole_s / rounds, model, corpus)
            print(f"flame graph: {options.flame}", file=sys.stderr)
    finally:
        model.close()


def _model(spec: "ModelSpec", options: argparse.Namespace, defaults: "Defaults") -> "Model[Backend]":
    """Give the model that was asked for, not yet loaded.

    Raises:
        UnknownName: when there is no such backend, checkpoint or compute type.
        BackendUnavailable: when it cannot run on this machine.
    """
    from modellab.backends.registry import misfit, refusal
    from modellab.checkpoints.registry import Registry
    from modellab.errors import BackendUnavailable
    from modellab.measuring.model import Model

    checkpoint = Registry.read(options.fixtures / "models.toml").get(spec.checkpoint)
    refused = refusal(spec.backend, spec.device, spec.compute_type) or misfit(spec.backend, checkpoint)
    if refused:
        raise BackendUnavailable(refused)
    return Model(spec, checkpoint.languages, lambda: _backend(spec, checkpoint, options, defaults))


def _backend(
    spec: "ModelSpec", checkpoint: "Checkpoint", options: argparse.Namespace, defaults: "Defaults"
) -> "Backend":
    from modellab.backends.registry import backend_class, weights_for
    from modellab.records.environment import usable_cores
    from modellab.sources.cache import cache_root

    return backend_class(spec.backend)(
        weights=weights_for(spec.backend, spec.compute_type, checkpoint, cache_root(options.cache_dir)),
        device=spec.device,
        compute_type=spec.compute_type,
        threads=options.threads or usable_cores(),
        decode=defaults.decode,
        **{**defaults.options.get(spec.backend, {}), **checkpoint.options},
    )


def _corpus(options: argparse.Namespace, defaults: "Defaults") -> "Corpus":
    """Give the corpus that was asked for, sampled and under its conditions as the bench would have it."""
    from modellab.conditions.registry import read_conditions
    from modellab.corpora.registry import read_corpora
    from modellab.corpora.selection import parse_selection
    from modellab.sources.cache import cache_root

    selection = parse_selection(options.corpus)
    whole = read_corpora(options.fixtures / "corpora.toml").read(selection, cache_root(options.cache_dir))
    drawn = whole if options.limit is None else whole.sample(options.limit, defaults.seed)
    if not selection.conditions:
        return drawn
    effects = read_conditions(options.fixtures / "conditions.toml").effects(selection.conditions, whole)
    return drawn.under(effects, defaults.seed)


def _draw(into: Path, a_round_s: float, model: "Model", corpus: "Corpus") -> None:
    """Hear the corpus again for some seconds, without the stopwatch, and draw what that was at."""
    from math import ceil

    from modellab.measuring.flame import flame_graph
    from modellab.measuring.stages import hear_rounds

    with flame_graph(into):
        hear_rounds(model, corpus, ceil(FLAME_S / a_round_s))


def _print_table(found: "Profile", model: "Model[Backend]", corpus: "Corpus", rounds: int) -> None:
    table = Table("stage", box=None)
    for column in ("seconds", "share", "ms per second of audio"):
        table.add_column(column, justify="right")
    rows = {stage: (seconds, found.share(stage)) for stage, seconds in found.seconds.items()}
    for stage, (seconds, share) in (rows | {"whole": (found.whole_s, 1.0)}).items():
        table.add_row(Text(stage), f"{seconds:.3f}", f"{share:.1%}", f"{1000 * seconds / found.audio_s:.2f}")
    print(f"{model.id}, threads: {model.backend.threads}, rounds: {rounds}, one utterance at a time")
    print(corpus)
    console().print(table)
    print("\n".join(_notes(found, model, corpus)))


def _notes(found: "Profile", model: "Model", corpus: "Corpus") -> Iterator[str]:
    from modellab.measuring.stages import RUNTIME

    if RUNTIME in found.seconds:
        yield f"{model.spec.backend} does not say where its stages are: its whole call is one row"
    if found.failed:
        failed = {record.utterance: record.failure for record in found.failed}
        first, failure = next(iter(failed.items()))
        yield f"{len(failed)} of {len(corpus)} utterances failed, the first {first}: {failure and failure.message}"
    yield f"most of the time goes into: {found.largest} ({found.share(found.largest):.0%})"


def _print_json(found: "Profile", model: "Model[Backend]", corpus: "Corpus", rounds: int) -> None:
    import json

    facts = {
        "model": model.id,
        "threads": model.backend.threads,
        "corpus": corpus.name,
        "revision": corpus.revision,
        "utterances": len(corpus),
        "rounds": rounds,
        "audio_s": found.audio_s,
        "failed": len({record.utterance for record in found.failed}),
        "whole_s": found.whole_s,
        "seconds": dict(found.seconds),
        "shares": {stage: found.share(stage) for stage in found.seconds},
        "largest": found.largest,
    }
    print(json.dumps(facts, ensure_ascii=False))
