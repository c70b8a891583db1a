"""Babble: other people of the same corpus, speaking all at once."""

from dataclasses import dataclass, field, replace

import numpy as np

from modellab.conditions.level import Signal, mix, unit_level
from modellab.conditions.still import Still
from modellab.errors import BadDefinition
from modellab.speech.audio import Audio
from modellab.speech.effect import Condition
from modellab.speech.utterance import Corpus, Utterance

VOICES = 4
POOL = 64  # so many utterances lend their voices, however many a corpus has
POOL_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Babble(Still):
    """Several voices at once, `snr_db` below the speech where somebody speaks.

    `corpus` and `revision` say whose they are, and `pool` holds them; the utterance named `never` is not among those
    heard. Four voices lie within the three to seven of Snyder et al. 2018, "X-vectors".
    """

    name: str
    snr_db: float
    corpus: str
    revision: str
    pool: tuple[Utterance, ...] = field(repr=False)
    never: str = ""
    voices: int = VOICES
    version: int = field(default=1, init=False)

    @property
    def condition(self) -> Condition:
        """The babble and its distance from the speech in dB."""
        return Condition(kind=self.name, strength=self.snr_db, unit="dB")

    def done_to(self, utterance: str) -> "Babble":
        """Give the babble in which the utterance of this id does not speak."""
        return replace(self, never=utterance)

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:
        """Give the audio with voices drawn by chance, equally loud, each from a random place on and over and over.

        Raises:
            BadAudio: when it or every voice is digital silence, or a voice cannot be read.
        """
        others = [utterance for utterance in self.pool if utterance.id != self.never]
        drawn = random.choice(len(others), size=self.voices, replace=False)
        together = sum(_speaking(others[place].hear().samples, audio.samples.size, random) for place in drawn)
        return mix(audio.samples, np.asarray(together), self.snr_db)


def babble_of(corpus: Corpus, name: str, snr_db: float) -> Babble:
    """Give the babble that the speech of a corpus makes.

    Raises:
        BadDefinition: when too few of its utterances hold speech for all voices to be another's.
    """
    speech = tuple(utterance for utterance in corpus if utterance.reference.strip())
    if len(speech) <= VOICES:
        raise BadDefinition(
            f"condition {name!r}: corpus {corpus.name!r} has {len(speech)} utterances with speech; babble of {VOICES} "
            f"voices beside the utterance's own needs {VOICES + 1}"
        )
    pool = replace(corpus, utterances=speech).sample(POOL, POOL_SEED).utterances
    return Babble(name=name, snr_db=snr_db, corpus=corpus.name, revision=corpus.revision, pool=pool)


def _speaking(samples: Signal, count: int, random: np.random.Generator) -> Signal:
    return np.resize(np.roll(unit_level(samples), -int(random.integers(samples.size))), count)
