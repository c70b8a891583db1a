"""Attachments: what a test adds to Allure, where allure-pytest is installed and asked for results."""

from collections.abc import Iterable, Mapping, Sequence

import pytest

from modellab.errors import BadAudio
from modellab.plugin.heard import Heard, Timed
from modellab.records.record import Record
from modellab.records.scenario import Growth, Performance, Stream
from modellab.reporting.allure import attach_performed, attach_utterances
from modellab.speech.audio import Audio
from modellab.speech.utterance import Corpus, Utterance

EPICS = {"accuracy": "Accuracy", "timing": "Speed", "performance": "Performance"}  # by marker


class Attachments:
    """What one test attaches; nothing where Allure does not listen."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._listened = bool(item.config.getoption("allure_report_dir", None))

    def accuracy(self, heard: Heard, corpus: Corpus) -> None:
        """Attach the worst utterances with their audio, and a table of all."""
        self._attach(heard.model, heard.corpus, heard.records, {utterance.id: utterance for utterance in corpus})

    def timing(self, timed: Timed, corpus: Corpus) -> None:
        """Attach the seconds of every round and their plot."""
        self._attach(timed.model, timed.corpus, timed.records, {utterance.id: utterance for utterance in corpus})

    def performed(self, facts: Sequence[Performance | Stream | Growth]) -> None:
        """Attach the plots of what a scenario wrote down."""
        if not self._listened or not facts:
            return
        import allure

        corpus = next((f" on {fact.corpus}" for fact in facts if not isinstance(fact, Growth)), "")
        allure.dynamic.title(f"{_claim(self._item)}: {facts[0].model}{corpus}")
        attach_performed(allure.attach, facts)

    def _attach(
        self, model: str, corpus: str, records: tuple[Record, ...], utterances: Mapping[str, Utterance]
    ) -> None:
        if not self._listened:
            return
        import allure

        def audio_of(record: Record) -> Audio:
            if record.utterance not in utterances:
                raise BadAudio(f"no utterance {record.utterance!r} in {corpus}")
            utterance = utterances[record.utterance]
            return utterance.hear()

        allure.dynamic.title(f"{_claim(self._item)}: {model} on {corpus}")
        attach_utterances(allure.attach, records, audio_of)


def label(items: Iterable[pytest.Item]) -> None:
    """Tell Allure what each claim is about, so that its tree reads by lane and claim."""
    try:
        import allure
    except ImportError:
        return
    for item in items:
        for marker, epic in EPICS.items():
            if item.get_closest_marker(marker):
                item.add_marker(allure.epic(epic))
                item.add_marker(allure.feature(_claim(item)))


def _claim(item: pytest.Item) -> str:
    """Give a test's name as a person would say it."""
    return item.name.partition("[")[0].removeprefix("test_").replace("_", " ")
