"""modellab corpora: list corpora, or look for what is wrong in one."""

import argparse
from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from modellab.commands.console import console
from modellab.errors import BadAudio
from modellab.speech.utterance import Corpus


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    corpora = commands.add_parser("corpora", help="list corpora, or check one")
    corpora.set_defaults(run=_list_corpora)
    verbs = corpora.add_subparsers(metavar="check")
    check = verbs.add_parser("check", help="count what a corpus holds, and look for what is wrong in it")
    check.add_argument("corpus", metavar="PATH_OR_NAME")
    check.set_defaults(run=_check_corpus)


def _list_corpora(options: argparse.Namespace) -> None:
    from modellab.corpora.registry import read_corpora

    table = Table("name", "what", "licence", box=None)
    for definition in read_corpora(options.fixtures / "corpora.toml").definitions.values():
        table.add_row(definition.name, definition.description, definition.license)
    console().print(table)


def _check_corpus(options: argparse.Namespace) -> None:
    from modellab.corpora.check import check

    checked = check(_read(options))
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
    console().print(counts, "", findings)
    if not checked.readable:
        raise BadAudio(f"none of the {checked.utterances} utterances of {options.corpus} could be read")


def _read(options: argparse.Namespace) -> Corpus:
    """Give the corpus that was asked for, under its conditions by the bench's seed."""
    from modellab.conditions.registry import read_conditions
    from modellab.corpora.registry import read_corpora
    from modellab.corpora.selection import parse_selection
    from modellab.defaults import read_defaults
    from modellab.sources.cache import cache_root

    selection = parse_selection(options.corpus)
    clean = read_corpora(options.fixtures / "corpora.toml").read(selection, cache_root(options.cache_dir))
    if not selection.conditions:
        return clean
    effects = read_conditions(options.fixtures / "conditions.toml").effects(selection.conditions, clean)
    return clean.under(effects, read_defaults(options.fixtures / "bench.toml").seed)


def _counted(counts: Mapping[str, int], nameless: str = "") -> str:
    return ", ".join(f"{name or nameless} ({count})" for name, count in counts.items()) or "none"
