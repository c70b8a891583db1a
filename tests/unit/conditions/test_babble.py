"""Babble: the voices of others, never one's own."""

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modellab.conditions.babble import POOL, VOICES, Babble, babble_of
from modellab.conditions.level import snr_db
from modellab.errors import BadDefinition
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.utterance import Corpus

MakeCorpus = Callable[..., Corpus]


def added(corpus: Corpus, seed: int = 1) -> dict[str, np.ndarray]:
    """Give by utterance what 40 dB of babble adds to it, too little for anything to be made quieter."""
    under = corpus.under((babble_of(corpus, "babble", 40.0),), seed)
    return {clean.id: heard.hear().samples - clean.hear().samples for clean, heard in zip(corpus, under, strict=True)}


def pitches(samples: np.ndarray) -> set[int]:
    """Give the numbers of the utterances of which the fundamental is heard: each has a pitch of its own."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size), 1 << 17))
    places = np.fft.rfftfreq(1 << 17, 1 / SAMPLE_RATE_HZ)
    level = {n: spectrum[np.abs(places - (100 + 37 * n)) < 4].max() for n in range(7)}
    return {n for n, found in level.items() if found > 0.2 * max(level.values())}


def test_others_speak_and_never_oneself(corpus: MakeCorpus) -> None:
    """With one utterance more than voices, each utterance hears all others and not itself."""
    for id_, babble in added(corpus(VOICES + 1)).items():
        assert pitches(babble) == set(range(VOICES + 1)) - {int(id_[1:])}


def test_never_oneself_after_another_effect_either(corpus: MakeCorpus) -> None:
    """Whose voice it is follows from the utterance, not from what it sounds like by then."""
    clean = corpus(VOICES + 1)
    under = clean.under((babble_of(clean, "one", 0.0), babble_of(clean, "two", 0.0)), seed=1)
    for utterance in under:
        assert [effect.never for effect in utterance.effects] == [utterance.id] * 2


def test_babble_lies_as_far_below_the_speech_as_was_asked(corpus: MakeCorpus) -> None:
    """Over the samples with speech the babble is 40 dB below it, from the first to the last."""
    clean = corpus()
    for utterance, babble in zip(clean, added(clean).values(), strict=True):
        assert snr_db(utterance.hear().samples, babble) == pytest.approx(40.0, abs=0.1)
        assert babble.size == utterance.hear().samples.size


def test_chance_draws_the_voices(corpus: MakeCorpus) -> None:
    """The same seed gives the same babble, another one another."""
    clean = corpus()
    one, again, other = (added(clean, seed)["u0"] for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("count", "spoken"), [(VOICES, None), (9, VOICES)])
def test_too_few_others_are_refused(corpus: MakeCorpus, count: int, spoken: int | None) -> None:
    """A corpus with too few utterances in which somebody speaks makes no babble, and the error says how many."""
    with pytest.raises(BadDefinition, match=r"'babble'.*'talk' has 4 utterances with speech.* needs 5"):
        babble_of(corpus(count, spoken), "babble", 10.0)


def test_silence_lends_no_voice(corpus: MakeCorpus) -> None:
    """Utterances in which nobody speaks are not among the voices."""
    assert {u.id for u in babble_of(corpus(7, VOICES + 1), "babble", 10.0).pool} == {f"u{n}" for n in range(5)}


def test_the_pool_is_bounded_and_the_same_each_time(corpus: MakeCorpus) -> None:
    """A big corpus lends some of its voices, the same ones each time, so that an utterance stays small to send."""
    few = corpus(VOICES + 1)
    many = replace(few, utterances=tuple(replace(few.utterances[0], id=f"x{n}") for n in range(3 * POOL)))
    pools = [babble_of(many, "babble", 10.0).pool for _ in range(2)]
    assert len(pools[0]) == POOL
    assert pools[0] == pools[1]


def test_the_revision_speaks_of_the_voices_and_not_of_where_they_lie(corpus: MakeCorpus, tmp_path: Path) -> None:
    """Where the files lie is no part of the revision; of which corpus the voices are is."""
    here = corpus()
    moved = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-moved")
    there = replace(here, utterances=tuple(replace(u, audio=moved / u.audio.name) for u in here))
    effects = [(babble_of(each, "babble", 10.0),) for each in (here, there, replace(here, revision="other"))]
    assert len({here.under(each, 1).revision for each in effects}) == 2
    assert str(tmp_path) not in repr(effects[0])


def test_babble_survives_the_way_to_another_process(corpus: MakeCorpus) -> None:
    """An utterance under babble sounds the same where it is unpickled."""
    utterance = next(iter(corpus().under((babble_of(corpus(), "babble", 10.0),), 1)))
    assert isinstance(utterance.effects[0], Babble)
    heard: Audio = pickle.loads(pickle.dumps(utterance)).hear()
    assert np.array_equal(heard.samples, utterance.hear().samples)
