"""Listing: every utterance with what each model wrote, and where that differs from what was said, written small."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from modellab.records.record import Record
from modellab.reporting.accuracy import Judged
from modellab.scoring.wer import Edit

MOST_RECORDS = 50_000

Json: TypeAlias = str | int | float | Sequence["Json"] | None
_LETTERS = {"equal": "=", "substitute": "s", "delete": "d", "insert": "i"}


class Heard(NamedTuple):
    """One utterance of a corpus. Models that disagree on what was said of it did not hear the same one."""

    corpus: str
    utterance: str
    reference: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What one model wrote for an utterance.

    `steps` are the edits, each a letter (`=` equal, `s` substituted, `d` deleted, `i` inserted) and a number of units;
    `units` are those of the hypothesis that the reference does not have in the same place. `loops` counts phrases
    repeated without end.
    """

    text: str
    steps: str
    units: tuple[str, ...]
    loops: int
    failure: str


class Listing:
    """Utterances in the order they were met, and what each model wrote for them.

    Attributes:
        heard: by utterance, what each model wrote.
        left_out: utterances with fewer errors that there was no room for.
    """

    def __init__(self) -> None:
        self.heard: dict[Heard, dict[str, Written]] = {}
        self.left_out = 0
        self._said: dict[Heard, tuple[Judged, tuple[str, ...]]] = {}
        self._errors: dict[Heard, int] = {}

    def enter(self, judged: Judged, loops: int) -> None:
        """Add what one model wrote."""
        record, key = judged.record, heard(judged.record)
        if key not in self.heard:
            self.heard[key], self._errors[key] = {}, 0
            self._said[key] = (judged, tuple(unit for edit in judged.edits for unit in edit.reference))
        self.heard[key][record.model] = written(judged, loops)
        self._errors[key] = max(self._errors[key], judged.score.errors)

    def worst_first(self) -> tuple[tuple[int, Record], ...]:
        """Give the place of each utterance, and one record of it, those with the most errors of any model first."""
        order = sorted(enumerate(self.heard), key=lambda placed: (-self._errors[placed[1]], placed[0]))
        return tuple((place, self._said[key][0].record) for place, key in order)

    def rows(self, models: Sequence[str], corpora: Sequence[str]) -> Iterator[Json]:
        """Give one row for each utterance, with models and corpora by their places in these.

        Its columns: corpus, id, seconds, language, speaker, metric, normaliser, reference, the reference's units, and
        for each model: model, text, steps, units, loops, failure.
        """
        of_model = {model: place for place, model in enumerate(models)}
        of_corpus = {corpus: place for place, corpus in enumerate(corpora)}
        for key, by_model in self.heard.items():
            judged, units = self._said[key]
            record, between = judged.record, "" if judged.score.metric == "cer" else " "
            yield (
                of_corpus[key.corpus],
                key.utterance,
                round(record.audio_duration_s, 2),
                key.language,
                record.speaker or "",
                judged.score.metric,
                judged.score.normalizer,
                key.reference,
                between.join(units),
                tuple(
                    (of_model[model], w.text, w.steps, between.join(w.units), w.loops, w.failure)
                    for model, w in by_model.items()
                ),
            )


def heard(record: Record) -> Heard:
    """Give which utterance a record speaks of."""
    return Heard(record.corpus, record.utterance, record.reference, record.language)


def written(judged: Judged, loops: int) -> Written:
    """Give what a model wrote, with its alignment written small."""
    record = judged.record
    failure = f"{record.failure.stage}: {record.failure.kind}: {record.failure.message}" if record.failure else ""
    return Written(
        text=record.transcript.text if record.transcript else "",
        steps="".join(step for edit in judged.edits for step in _steps(edit)),
        units=tuple(unit for edit in judged.edits if edit.operation != "equal" for unit in edit.hypothesis),
        loops=loops,
        failure=failure,
    )


def _steps(edit: Edit) -> Iterator[str]:
    """Give an edit as one step, or two where one side of a substitution is longer."""
    said, heard = len(edit.reference), len(edit.hypothesis)
    if edit.operation != "substitute" or said == heard:
        yield f"{_LETTERS[edit.operation]}{max(said, heard)}"
        return
    yield f"s{min(said, heard)}"
    yield f"d{said - heard}" if said > heard else f"i{heard - said}"
