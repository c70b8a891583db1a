"""Synthesis: sounds made here, the same bytes every time."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from modellab.corpora.synthesis import SOUNDS, synthesize
from modellab.errors import BadDefinition, BadManifest
from modellab.speech.audio import read_audio

EACH = pytest.mark.parametrize("sound", SOUNDS)


def made(folder: Path, **facts: Any) -> Path:
    """Give the file of one made sound."""
    (only,) = synthesize([{"id": "s", "sound": "tone", "duration_s": 0.5, **facts}], "c", folder)
    return only.audio


@EACH
@pytest.mark.parametrize("count", [1, 2, 3, 1_000, 16_000])
def test_sounds_are_finite_and_within_scale(sound: str, count: int) -> None:
    """Every sound of every length has as many samples as asked for, all finite and in [-1, 1]."""
    samples = SOUNDS[sound](count, np.random.default_rng(0))
    assert samples.shape == (count,)
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1.0


@EACH
def test_sounds_are_the_same_bytes_each_time(tmp_path: Path, sound: str) -> None:
    """The same sound, duration, peak and seed give the same file, in whatever folder."""
    files = [made(tmp_path / name, sound=sound, seed=4, peak=0.3) for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("sound", ["white-noise", "pink-noise", "babble"])
def test_another_seed_is_another_sound(tmp_path: Path, sound: str) -> None:
    """Sounds made of chance differ by seed."""
    files = [made(tmp_path / str(seed), sound=sound, seed=seed, duration_s=2) for seed in (1, 2)]
    assert files[0].read_bytes() != files[1].read_bytes()


@EACH
def test_files_are_audio_of_the_duration_and_peak_that_were_asked(tmp_path: Path, sound: str) -> None:
    """A made file is 16-bit mono at 16 kHz, of the stated duration and no louder than its peak."""
    path = made(tmp_path, sound=sound, duration_s=1.25, peak=0.25)
    facts, audio = soundfile.info(path), read_audio(path)
    assert (facts.samplerate, facts.channels, facts.subtype) == (16_000, 1, "PCM_16")
    assert audio.duration_s == 1.25
    assert np.abs(audio.samples).max() == pytest.approx(0.0 if sound == "silence" else 0.25, abs=1e-4)


def test_nobody_speaks_in_any_of_them(tmp_path: Path) -> None:
    """A made utterance has an empty reference, no language and no speaker."""
    corpus = synthesize([{"id": name, "sound": name, "duration_s": 0.1} for name in SOUNDS], "c", tmp_path)
    assert {(u.reference, u.language, u.speaker) for u in corpus} == {("", "", None)}
    assert [u.id for u in corpus] == list(SOUNDS)


def test_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    """What a sound is written to before it is whole does not stay."""
    made(tmp_path, id="a.5")
    assert [path.name for path in tmp_path.iterdir()] == ["a.5.wav"]


def test_processes_may_make_the_same_sounds_at_once(tmp_path: Path) -> None:
    """Several processes that make one corpus at the same time all get it, whole."""
    script = """
import sys
from pathlib import Path
from modellab.corpora.synthesis import synthesize
sounds = [{"id": f"s{n}", "sound": "white-noise", "duration_s": 0.01} for n in range(20)]
sys.stdin.readline()
for _ in range(10):
    corpus = synthesize(sounds, "c", Path(sys.argv[1]))
print(corpus.revision)
"""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    told = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], told
    assert len({out for out, _ in told}) == 1


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"sound": "whale"}, "no sound 'whale'; known: silence, tone"),
        ({"sound": None}, "no sound None"),
        ({"loudness": 3}, "may have peak and seed, not .*loudness"),
        ({"id": ""}, "needs an id"),
        ({"id": "../up"}, "needs an id"),
        ({"id": "in/side"}, "needs an id"),
        ({"id": 5}, "needs an id"),
        ({"duration_s": 0}, "duration_s at least"),
        ({"duration_s": 0.00001}, "duration_s at least"),
        ({"duration_s": -1}, "duration_s at least"),
        ({"duration_s": 601}, "up to 600"),
        ({"duration_s": float("nan")}, "duration_s"),
        ({"duration_s": "long"}, "must be numbers"),
        ({"peak": 1.1}, "peak must be 0 to 1"),
        ({"peak": -0.1}, "peak must be 0 to 1"),
        ({"peak": "loud"}, "must be numbers"),
        ({"seed": -1}, "must be numbers"),
        ({"seed": "x"}, "must be numbers"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_bad_sound_is_refused(tmp_path: Path, facts: dict[str, Any], reason: str) -> None:
    """A sound that nobody knows, or a key or value that it may not have, is refused, naming corpus and sound."""
    with pytest.raises(BadDefinition, match=f"corpus 'c', sound .*{reason}"):
        made(tmp_path / "c", **facts)
    assert not list(tmp_path.rglob("*.wav"))


def test_an_id_twice_is_refused(tmp_path: Path) -> None:
    """Two sounds of one id are no corpus."""
    with pytest.raises(BadManifest, match="'s'"):
        synthesize([{"id": "s", "sound": "tone", "duration_s": 0.1}] * 2, "c", tmp_path)
