"""Replay: the audio of a run's records, found again by what the run says of its corpora."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from modellab.conditions.registry import read_conditions
from modellab.corpora.registry import CorpusRegistry, read_corpora
from modellab.corpora.selection import parse_selection
from modellab.errors import BadAudio, BadManifest, ModelLabError
from modellab.records.record import Record
from modellab.records.run import CorpusFacts, Run
from modellab.speech.audio import Audio
from modellab.speech.utterance import Corpus, Utterance

_HUB = "hf:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Hears utterances of a run again, if what lies on this disk is what the run heard. Nothing is fetched for it.

    `fixtures` is the folder of `corpora.toml` and `conditions.toml`. Why there is no audio is told without the paths of
    this machine: it stands on pages that are passed on.
    """

    run: Run
    fixtures: Path
    cache: Path
    _read: dict[str, Mapping[str, Utterance] | BadAudio] = field(default_factory=dict, init=False)

    def __call__(self, record: Record) -> Audio:
        """Give the audio that a record speaks of, as `hear` does."""
        return self.hear(record.corpus, record.utterance)

    def hear(self, corpus: str, utterance: str) -> Audio:
        """Give the audio of an utterance. A corpus is read when it is first asked for.

        Raises:
            BadAudio: when the corpus is not on this disk, is another revision now, or its audio cannot be read.
        """
        if corpus not in self._read:
            self._read[corpus] = self._utterances(corpus)
        found = self._read[corpus]
        if isinstance(found, BadAudio):
            raise found
        try:
            return found[utterance].hear()
        except (BadAudio, KeyError) as error:
            raise BadAudio("no audio: it could not be read") from error

    def knows(self, corpus: str) -> bool:
        """Say whether a corpus was asked for before, and found."""
        return isinstance(self._read.get(corpus), Mapping)

    def _utterances(self, name: str) -> Mapping[str, Utterance] | BadAudio:
        """Give a corpus by id, or why there is none, which holds for all of its utterances."""
        facts = self.run.corpora.get(name)
        if facts is None:
            return BadAudio("no audio: the run does not say which corpus this was")
        try:
            found = self._corpus(name, facts)
        except (ModelLabError, OSError):
            return BadAudio(f"no audio: {name} could not be read")
        if found is None:
            return BadAudio(f"no audio: {name} was revision {facts.revision} in the run and is another now")
        return {utterance.id: utterance for utterance in found}

    def _corpus(self, name: str, facts: CorpusFacts) -> Corpus | None:
        """Give the corpus as some session of the run may have heard it; None where it is another now."""
        selection = parse_selection(facts.selection or name)
        if selection.source.startswith(_HUB):
            raise BadManifest(f"{selection.source} is not fetched for a report")
        whole = _without_sources(read_corpora(self.fixtures / "corpora.toml")).read(selection, self.cache)
        effects = read_conditions(self.fixtures / "conditions.toml").effects(selection.conditions, whole)
        for limit, seed in {(session.limit, session.seed): None for session in self.run.sessions}:
            drawn = whole if limit is None else whole.sample(limit, seed)
            heard = drawn.under(effects, seed)
            if heard.revision == facts.revision:
                return heard
        return None


def _without_sources(corpora: CorpusRegistry) -> CorpusRegistry:
    """Give the registry with nowhere to fetch from: what the cache holds is read, and the rest is refused."""
    definitions = {
        name: replace(definition, fileset=replace(definition.fileset, sources=()))
        for name, definition in corpora.definitions.items()
    }
    return replace(corpora, definitions=definitions)
