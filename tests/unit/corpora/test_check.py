"""Checks: what a corpus holds and what is found in it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modellab.cli import main
from modellab.corpora.check import EXAMPLES, CorpusCheck, Finding, check
from modellab.corpora.table import read_table

Make = Callable[..., Path]
DEFINITIONS = """
schema = 1
[corpus.hush]
reader = "synthesis"
description = "silence"
license = "Apache-2.0"
sounds = [{ id = "a", sound = "silence", duration_s = 1 }]
"""
RUSSIAN = "\N{CYRILLIC CAPITAL LETTER DE}\N{CYRILLIC SMALL LETTER A}"


@pytest.fixture
def checked(write: Make, tmp_path: Path) -> Callable[..., CorpusCheck]:
    """A check of the corpus of these rows, each of audio, text, language, speaker, start and end."""

    def run(*rows: str) -> CorpusCheck:
        lines = "\n".join(f"u{number}\t{row}" for number, row in enumerate(rows, start=1))
        write("t.tsv", f"id\taudio\ttext\tlanguage\tspeaker\tstart_s\tend_s\n{lines}\n")
        return check(read_table(tmp_path / "t.tsv", "c"))

    return run


def found(result: CorpusCheck, start: str) -> Finding:
    """Give the finding that begins so."""
    (finding,) = (finding for finding in result.findings if finding.what.startswith(start))
    return finding


def test_a_sound_corpus_is_counted(checked: Callable[..., CorpusCheck], record: Make) -> None:
    """Utterances, seconds, languages, speakers and rates are counted, and nothing is found in what is sound."""
    record("a.wav")
    record("b.wav", 1.0, pitch_hz=400)
    result = checked("a.wav\thello\ten\tann\t\t1", "a.wav\tthere\ten\tann\t1\t", "b.wav\tTag\tde\t\t\t")
    assert (result.utterances, result.readable, result.duration_s, result.heard_s) == (3, 3, 3.0, 3.0)
    assert (result.languages, result.speakers, result.without_speaker) == ({"de": 1, "en": 2}, 1, 1)
    assert (result.rates_hz, result.unjudged) == ({16_000: 3}, ())
    assert {finding.what: finding.count for finding in result.findings if finding.what[:5] != "audio"} == {
        finding.what: 0 for finding in result.findings if finding.what[:5] != "audio"
    }


def test_the_same_sound_twice_is_found(checked: Callable[..., CorpusCheck], record: Make) -> None:
    """Audio that an earlier utterance has is found, in whatever file; another stretch of one file is not the same."""
    samples, rate_hz = soundfile.read(record("a.wav"), dtype="int16")
    soundfile.write(record("b.flac"), samples, rate_hz)
    record("c.wav", pitch_hz=317.3)
    result = checked("a.wav\tx\ten\t\t\t", "b.flac\tx\ten\t\t\t", "c.wav\tx\ten\t\t0\t1", "c.wav\tx\ten\t\t1\t2")
    assert found(result, "audio that").examples == ("u2: same as u1",)


def test_empty_references_are_found(checked: Callable[..., CorpusCheck], record: Make) -> None:
    """References that hold nothing are counted."""
    record("a.wav")
    assert found(checked("a.wav\t\t\t\t\t", "a.wav\tx\t\t\t\t"), "empty").examples == ("u1: a.wav",)


@pytest.mark.parametrize(("peak", "is_found"), [(5.0, True), (1.0, False), (0.3, False)])
@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_clipping_is_found(
    checked: Callable[..., CorpusCheck], record: Make, peak: float, name: str, *, is_found: bool
) -> None:
    """Samples that stay at full scale are found; a wave whose peaks just reach it is none."""
    record(name, peak=peak, channels=2)
    assert found(checked(f"{name}\tx\ten\t\t\t"), "clipped").count == is_found


def test_silence_is_found(checked: Callable[..., CorpusCheck], record: Make) -> None:
    """Audio without a sound is found, within one stretch of a recording too; faint speech is not."""
    record("a.wav", peak=0.0)
    record("b.wav", peak=0.002)
    tone = soundfile.read(record("c.wav"))[0]
    soundfile.write(record("c.wav"), np.concatenate([tone, np.zeros(16_000)]), 16_000)
    result = checked("a.wav\tx\t\t\t\t", "b.wav\tx\t\t\t\t", "c.wav\tx\t\t\t0\t2", "c.wav\tx\t\t\t2\t3")
    assert [example[:2] for example in found(result, "silent").examples] == ["u1", "u4"]


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_truncation_is_found(checked: Callable[..., CorpusCheck], record: Make, name: str) -> None:
    """A file that ends half way is found with the seconds that its header states and reading does not give."""
    path = record(name, 4.0)
    assert found(checked(f"{name}\tx\ten\t\t\t"), "truncated").count == 0
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (example,) = found(checked(f"{name}\tx\ten\t\t\t"), "truncated").examples
    missing_s = float(example.split()[1])
    assert missing_s == pytest.approx(4.0 if name == "a.flac" else 2.0, abs=0.2)  # none of a cut flac can be read


@pytest.mark.parametrize("stated", [0, 0xFFFF_FFFF])
def test_a_wav_that_does_not_know_its_length_is_whole(
    checked: Callable[..., CorpusCheck], record: Make, stated: int
) -> None:
    """A wav written to a pipe states no length that it could miss."""
    path = record("a.wav")
    content = path.read_bytes()
    at = content.index(b"data") + 4
    path.write_bytes(content[:at] + stated.to_bytes(4, "little") + content[at + 4 :])
    assert found(checked("a.wav\tx\ten\t\t\t"), "truncated").count == 0


def test_a_stated_duration_that_cannot_be_heard_is_found(write: Make, record: Make) -> None:
    """A corpus that states more seconds than its file has is found as cut short."""
    record("a.wav")
    result = check(read_table(write("t.csv", "audio,text,duration\na.wav,x,3\n"), "c"))
    assert found(result, "truncated").examples == ("a: 1.00 s missing",)


def test_other_rates_are_found(checked: Callable[..., CorpusCheck], record: Make) -> None:
    """Rates other than 16 kHz are counted by rate."""
    record("a.wav", rate_hz=8_000)
    record("b.wav", rate_hz=44_100)
    result = checked("a.wav\tx\ten\t\t\t", "b.wav\tx\ten\t\t\t")
    assert result.rates_hz == {8_000: 1, 44_100: 1}
    assert found(result, "sampling rate").examples == ("u1: 8000 Hz", "u2: 44100 Hz")


def test_what_cannot_be_read_is_found(checked: Callable[..., CorpusCheck], record: Make, write: Make) -> None:
    """A file that is no audio, empty or not finite is found with the reason, and the rest is judged."""
    record("a.wav")
    write("b.wav", "no audio")
    write("c.wav", b"")
    soundfile.write(write("d.wav", ""), np.full(100, np.nan), 16_000, subtype="FLOAT")
    result = checked(*(f"{name}.wav\tx\ten\t\t\t" for name in "abcd"))
    assert (result.utterances, result.readable) == (4, 1)
    unread = found(result, "cannot be read")
    assert [example[:2] for example in unread.examples] == ["u2", "u3", "u4"]
    assert "b.wav is not audio" in unread.examples[0]
    assert "not finite" in unread.examples[2]


def test_another_script_is_found(checked: Callable[..., CorpusCheck], record: Make) -> None:
    """References in letters that their language is not written in are found, and unknown languages are named."""
    record("a.wav")
    result = checked(f"a.wav\t{RUSSIAN}\ten\t\t\t", "a.wav\tgood day\ten\t\t\t", "a.wav\tnuqneH\ttlh\t\t\t")
    assert found(result, "reference in").examples == (f"u1: Cyrillic letters, language 'en': {RUSSIAN}",)
    assert result.unjudged == ("tlh",)


def test_examples_are_few(checked: Callable[..., CorpusCheck], record: Make) -> None:
    """However many there are, all are counted and a few are named."""
    record("a.wav")
    finding = found(checked(*["a.wav\t\t\t\t\t"] * 9), "empty")
    assert (finding.count, len(finding.examples)) == (9, EXAMPLES)


@pytest.fixture
def command(tmp_path: Path, write: Make, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, str, str]]:
    """A run of `modellab corpora check`: its exit status, and what it printed and complained."""
    write("fixtures/corpora.toml", DEFINITIONS)

    def run(corpus: str) -> tuple[int, str, str]:
        home = ("--fixtures", str(tmp_path / "fixtures"), "--cache-dir", str(tmp_path / "cache"))
        code = main([*home, "corpora", "check", corpus])
        return code, *capsys.readouterr()

    return run


def test_the_command_prints_what_is_found(
    command: Callable[[str], tuple[int, str, str]], write: Make, record: Make
) -> None:
    """`corpora check` prints counts and findings of a path with examples, all as it is written, and findings are 0."""
    record("a[b].wav", rate_hz=8_000)
    code, printed, _ = command(str(write("t.csv", "audio,text,language\na[b].wav,,[/en]\n")))
    assert code == 0
    assert "a[b]: 8000 Hz" in printed
    assert "1, 1 of them readable" in printed
    assert "[/en] (1)" in printed


def test_the_command_takes_a_name(command: Callable[[str], tuple[int, str, str]]) -> None:
    """`corpora check` takes the name of a corpus that is defined."""
    code, printed, _ = command("hush")
    assert (code, "silent" in printed) == (0, True)


def test_the_command_fails_where_nothing_can_be_read(
    command: Callable[[str], tuple[int, str, str]], write: Make, tmp_path: Path
) -> None:
    """`corpora check` prints what it found and is an error where no audio could be read, or no corpus."""
    write("a.wav", "no audio")
    code, printed, complaint = command(str(write("t.csv", "audio,text\na.wav,x\n")))
    assert (code, "cannot be read" in printed) == (1, True)
    assert "none of the 1 utterances" in complaint
    assert command("nothing")[0] == 1
    assert command(str(tmp_path / "fixtures"))[0] == 1
