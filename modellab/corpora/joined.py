"""Joined: all utterances of a corpus as one long recording, with a pause between two."""

from pathlib import Path

import numpy as np
import soundfile

from modellab.errors import BadManifest
from modellab.speech.audio import SAMPLE_RATE_HZ, Samples
from modellab.speech.utterance import Corpus, Utterance, corpus_of
from modellab.whole import replacing


def join(parts: Corpus, name: str, folder: Path, pause_s: float) -> Corpus:
    """Give a corpus of one utterance: what `parts` has, in its order, as 16-bit wav under `folder`.

    Its language and speaker are those of the parts where all have the same.

    Raises:
        BadManifest: when the parts are in several languages.
    """
    languages, speakers = {part.language for part in parts}, {part.speaker for part in parts}
    if len(languages) > 1:
        raise BadManifest(f"corpus {name!r}: {parts.name} is in {', '.join(sorted(languages))}; join one language")
    pause = np.zeros(round(pause_s * SAMPLE_RATE_HZ), dtype=np.float32)
    heard: list[Samples] = []
    for part in parts:
        heard += [pause, part.hear().samples] if heard else [part.hear().samples]
    samples = np.concatenate(heard)
    whole = Utterance(
        id=name,
        audio=_written(samples, folder, name),
        duration_s=samples.size / SAMPLE_RATE_HZ,
        reference=" ".join(part.reference for part in parts),
        language=languages.pop(),
        speaker=speakers.pop() if len(speakers) == 1 else None,
    )
    return corpus_of(name, (whole,))


def _written(samples: Samples, folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.wav"
    with replacing(path) as fresh:  # another process may join it too
        soundfile.write(fresh, samples, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return path
