"""The command `modellab`: look at checkpoints and corpora, fetch them, and write reports of runs."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from modellab.errors import BadAudio, ModelLabError
from modellab.sources.cache import CACHE_VARIABLE

FIXTURES = Path("fixtures")
SITE = Path("reports") / "site"
HISTORY = Path("reports") / "history.jsonl"
WIDTH = 100
LANGUAGES_SHOWN = 3
_MEBIBYTE = 1024 * 1024


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give 0, or 1 where something that can be named went wrong, or 130 after Ctrl-C."""
    options = _parser().parse_args(argv)
    try:
        options.run(options)
    except ModelLabError as error:
        print(f"modellab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("modellab: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modellab", description=__doc__)
    parser.add_argument("--fixtures", type=Path, default=FIXTURES, help="folder of models.toml and the like")
    parser.add_argument("--cache-dir", type=Path, default=os.environ.get(CACHE_VARIABLE), help="weights and corpora")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    models = commands.add_parser("models", help="list checkpoints, or fetch some")
    models.set_defaults(run=_list_models)
    verbs = models.add_subparsers(metavar="fetch")
    fetch_models = verbs.add_parser("fetch", help="fetch and verify checkpoints")
    fetch_models.add_argument("names", nargs="+", metavar="NAME")
    fetch_models.set_defaults(run=_fetch_models)

    corpora = commands.add_parser("corpora", help="list corpora, or check one")
    corpora.set_defaults(run=_list_corpora)
    corpus_verbs = corpora.add_subparsers(metavar="check")
    check_corpus = corpus_verbs.add_parser("check", help="count what a corpus holds, and look for what is wrong in it")
    check_corpus.add_argument("corpus", metavar="PATH_OR_NAME")
    check_corpus.set_defaults(run=_check_corpus)

    fetch = commands.add_parser("fetch", help="fetch and convert all that the bench needs by default")
    fetch.set_defaults(run=_fetch_bench)

    report = commands.add_parser("report", help="write the report of a run")
    report.add_argument("run_folder", type=Path, metavar="RUN", help="a folder under runs/, or runs/latest")
    report.add_argument("--output", type=Path, default=SITE, help=f"where to write it ({SITE})")
    report.add_argument("--allure-results", type=Path, help="what pytest wrote with --alluredir")
    report.add_argument("--history", type=Path, default=HISTORY, help=f"earlier runs, for Allure ({HISTORY})")
    report.set_defaults(run=_report)

    compare = commands.add_parser(
        "compare",
        help="say what changed from one run to another",
        description="Compare two runs utterance by utterance: whose words changed, which way, and the difference of "
        "the error rates with its interval.",
    )
    compare.add_argument("before", type=Path, metavar="RUN_A", help="a folder under runs/")
    compare.add_argument("after", type=Path, metavar="RUN_B", help="another, or runs/latest")
    compare.add_argument(
        "--most", type=int, default=5, metavar="N", help="changed utterances to show of each model (5)"
    )
    compare.set_defaults(run=_compare)

    rescore = commands.add_parser(
        "rescore",
        help="score a run under other normalisers",
        description="Print the error rates of a run under several normalisers, from what the models wrote: nothing is "
        "heard again. Says where the ranking of models depends on the normaliser.",
    )
    rescore.add_argument("run_folder", type=Path, metavar="RUN", help="a folder under runs/, or runs/latest")
    rescore.add_argument(
        "--normalizer",
        action="append",
        metavar="NAME",
        help="none, basic, whisper-en or leaderboard; may be repeated (all)",
    )
    rescore.set_defaults(run=_rescore)
    return parser


def _console() -> Console:
    """Give a console; one that is no terminal is wide enough for a table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _list_models(options: argparse.Namespace) -> None:
    from modellab.checkpoints.listing import list_checkpoints
    from modellab.checkpoints.registry import Registry
    from modellab.sources.cache import cache_root

    registry, cache = Registry.read(options.fixtures / "models.toml"), cache_root(options.cache_dir)
    table = Table("name", "languages", "licence", "comes from", "size", "on this disk", "pinned", box=None)
    table.columns[0].no_wrap, table.columns[3].overflow = True, "fold"
    for row in list_checkpoints(registry, cache):
        size = "unknown" if row.size_bytes is None else f"{row.size_bytes / _MEBIBYTE:.0f} MiB"
        table.add_row(
            row.name,
            "many" if "*" in row.languages or len(row.languages) > LANGUAGES_SHOWN else ", ".join(row.languages),
            row.license,
            ",\n".join(row.sources),
            size,
            f"{row.disk_bytes / _MEBIBYTE:.0f} MiB" if row.present else "no",
            "yes" if row.pinned else f"{len(row.unpinned)} files not",
        )
    _console().print(table)
    print(f"cache: {cache}")


def _fetch_models(options: argparse.Namespace) -> None:
    from modellab.checkpoints.layouts import prepare
    from modellab.checkpoints.registry import Registry
    from modellab.sources.cache import cache_root

    registry, cache = Registry.read(options.fixtures / "models.toml"), cache_root(options.cache_dir)
    for checkpoint in [registry.get(name) for name in options.names]:
        weights = prepare(checkpoint, checkpoint.layout, cache)
        print(f"{checkpoint.name}: {weights.sha256} verified, in {weights.folder}")


def _list_corpora(options: argparse.Namespace) -> None:
    from modellab.corpora.registry import read_corpora

    table = Table("name", "what", "licence", box=None)
    for definition in read_corpora(options.fixtures / "corpora.toml").definitions.values():
        table.add_row(definition.name, definition.description, definition.license)
    _console().print(table)


def _check_corpus(options: argparse.Namespace) -> None:
    from modellab.corpora.check import check
    from modellab.corpora.registry import read_corpora
    from modellab.corpora.selection import parse_selection
    from modellab.sources.cache import cache_root

    corpora, cache = read_corpora(options.fixtures / "corpora.toml"), cache_root(options.cache_dir)
    checked = check(corpora.read(parse_selection(options.corpus), cache))
    unnamed = f", {checked.without_speaker} utterances name none" if checked.without_speaker else ""
    facts = {
        "corpus": f"{checked.name}, revision {checked.revision}",
        "utterances": f"{checked.utterances}, {checked.readable} of them readable",
        "audio": f"{checked.heard_s / 3600:.2f} h ({checked.heard_s:.1f} s)",
        "languages": _counted(checked.languages, "not stated"),
        "speakers": f"{checked.speakers}{unnamed}",
        "sampling rates": _counted({f"{rate} Hz": count for rate, count in checked.rates_hz.items()}),
        "left out": _counted(checked.left_out),
        "script not judged": ", ".join(checked.unjudged) or "none",
    }
    counts = Table(show_header=False, box=None)
    for name, value in facts.items():
        counts.add_row(name, Text(value))  # what a corpus says may look like markup
    findings = Table("finding", "count", "for example", box=None)
    for finding in checked.findings:
        findings.add_row(finding.what, str(finding.count), Text("\n".join(finding.examples)))
    _console().print(counts, "", findings)
    if not checked.readable:
        raise BadAudio(f"none of the {checked.utterances} utterances of {options.corpus} could be read")


def _counted(counts: Mapping[str, int], nameless: str = "") -> str:
    return ", ".join(f"{name or nameless} ({count})" for name, count in counts.items()) or "none"


def _fetch_bench(options: argparse.Namespace) -> None:
    from modellab.backends.registry import backend_class
    from modellab.checkpoints.layouts import prepare
    from modellab.checkpoints.registry import Registry
    from modellab.corpora.registry import read_corpora
    from modellab.corpora.selection import Selection
    from modellab.defaults import read_defaults
    from modellab.sources.cache import cache_root

    defaults, cache = read_defaults(options.fixtures / "bench.toml"), cache_root(options.cache_dir)
    registry, corpora = Registry.read(options.fixtures / "models.toml"), read_corpora(options.fixtures / "corpora.toml")
    for layout in {backend_class(name).layout: None for name in defaults.backends}:
        for name in defaults.models:
            prepare(registry.get(name), layout, cache)
    for name in defaults.corpora:
        corpora.read(Selection(source=name), cache)


def _report(options: argparse.Namespace) -> None:
    from modellab.reporting.publish import make_report
    from modellab.sources.cache import cache_root

    results = options.allure_results if options.allure_results and options.allure_results.is_dir() else None
    published = make_report(
        options.run_folder.resolve(),
        options.output,
        _console(),
        allure_results=results,
        history=options.history,
        cache=cache_root(options.cache_dir),
        env=os.environ,
    )
    print(f"report: {published.markdown}")
    if published.site:
        print(f"report: {published.site.single_file} (opens from disk)")


def _compare(options: argparse.Namespace) -> None:
    from modellab.records.store import Store
    from modellab.reporting.compare import compare_runs
    from modellab.reporting.comparison_table import print_comparison

    before, after = Store(options.before.resolve()), Store(options.after.resolve())
    comparisons, alone = compare_runs((before.run(), before.records()), (after.run(), after.records()))
    print_comparison(comparisons, alone, _console(), most=options.most)


def _rescore(options: argparse.Namespace) -> None:
    from modellab.records.store import Store
    from modellab.reporting import figure
    from modellab.reporting.rescore import disputes, rescore
    from modellab.scoring.normalize import NORMALIZERS

    store, names = Store(options.run_folder.resolve()), tuple(dict.fromkeys(options.normalizer or NORMALIZERS))
    run, rows = store.run(), rescore(store.records(), names)
    table = Table("model", "corpus", "heard", "metric", box=None)
    table.columns[0].overflow = table.columns[1].overflow = "fold"
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        rates = (figure.percent(row.rate(name)) for name in names)
        heard = f"{row.heard} of {row.utterances}"
        table.add_row(Text(row.model), Text(row.corpus), heard, row.metric.upper(), *rates)
    console = _console()
    console.print(table if rows else Text(f"No facts: nothing was heard in run {run.id}."))
    if any(score is None for row in rows for score in row.scores.values()):
        console.print(Text(f"{figure.NOT_MEASURED}: the normaliser is made for another language."))
    disputed = disputes(rows)
    for dispute in disputed:
        console.print(Text(f"\n{dispute.corpus}: the ranking of models depends on the normaliser. Best first:"))
        for name, models in dispute.rankings.items():
            console.print(Text(f"  {name}: {' < '.join(models)}"))
    if rows and not disputed:
        console.print(Text("\nNo ranking of models depends on the normaliser."))


if __name__ == "__main__":
    sys.exit(main())
