"""Callers: each asks for the next utterance when its last is answered. One alone is the single stream."""

from modellab.errors import MeasurementRefused
from modellab.records.scenario import Performance, Scenario
from modellab.scenarios.load import closed, repeated
from modellab.scenarios.performing import Ensemble, batches_of
from modellab.speech.utterance import Corpus


def ask(ensemble: Ensemble, corpus: Corpus, calls: int, callers: int = 1) -> Performance:
    """Give what so many callers meet who ask for so many utterances in all, from the first again after the last.

    Raises:
        MeasurementRefused: when there are to be no calls, or nobody to make them.
    """
    if calls < 1 or callers < 1:
        raise MeasurementRefused(f"calls and callers must be 1 or more, not {calls} and {callers}")
    batches = tuple(repeated(batches_of(corpus.utterances), calls))
    scenario: Scenario = "single-stream" if callers == 1 else "concurrent"
    return ensemble.perform(scenario, {"callers": callers}, lambda desk: closed(desk, batches, callers))
