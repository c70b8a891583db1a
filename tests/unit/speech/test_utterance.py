"""Utterances and corpora: what is drawn from one, and when two are the same."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modellab.errors import BadAudio, BadManifest
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.effect import Condition
from modellab.speech.restriction import Restriction
from modellab.speech.transcript import Word
from modellab.speech.utterance import Corpus, Utterance, corpus_of


def utterance(folder: Path, name: str, **facts: object) -> Utterance:
    """Give an utterance whose audio file holds its own name."""
    audio = folder / f"{name}.wav"
    audio.write_bytes(name.encode())
    known = {"id": name, "audio": audio, "duration_s": 1.0, "reference": f"this is {name}", "language": "en"}
    return Utterance(**{**known, **facts})


def facts(wanted: Mapping[str, str]) -> tuple[Restriction, ...]:
    """Give the restrictions to these facts."""
    return tuple(Restriction(fact=name, sign="=", value=value) for name, value in wanted.items())


@pytest.fixture
def twenty(tmp_path: Path) -> Corpus:
    """Twenty utterances in two languages, by three speakers."""
    return corpus_of(
        "twenty",
        tuple(
            utterance(tmp_path, f"u{n:02}", language=("en", "de")[n % 2], speaker=f"s{n % 3}", extra={"mood": "calm"})
            for n in range(20)
        ),
    )


def test_two_utterances_of_one_id_are_refused(tmp_path: Path) -> None:
    """A corpus in which an id stands twice cannot be made, and the error names the id."""
    one = utterance(tmp_path, "same")
    with pytest.raises(BadManifest, match="'same'"):
        corpus_of("c", (one, replace(one, reference="other")))


def test_a_corpus_of_nothing_is_refused() -> None:
    """A corpus without utterances cannot be made, and the error names the corpus."""
    with pytest.raises(BadManifest, match="'none'"):
        corpus_of("none", ())


def test_a_corpus_is_iterable_and_sized(twenty: Corpus) -> None:
    """A corpus gives its utterances in order, their number, their seconds and their languages."""
    assert [u.id for u in twenty] == [f"u{n:02}" for n in range(20)]
    assert len(twenty) == 20
    assert twenty.duration_s == 20.0
    assert twenty.languages == ("de", "en")


def test_silence_has_no_language(tmp_path: Path) -> None:
    """Where nobody speaks, no language is named."""
    assert corpus_of("c", (utterance(tmp_path, "a", language=""),)).languages == ()


def test_a_sample_is_the_same_twice(twenty: Corpus) -> None:
    """The same count and seed draw the same utterances and give the same revision."""
    assert twenty.sample(6, seed=1) == twenty.sample(6, seed=1)


def test_a_sample_differs_by_seed(twenty: Corpus) -> None:
    """Another seed draws other utterances, and the revision says so."""
    one, other = twenty.sample(6, seed=1), twenty.sample(6, seed=2)
    assert one.utterances != other.utterances
    assert one.revision != other.revision


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_keeps_the_order(twenty: Corpus, seed: int) -> None:
    """What is drawn stands in its old order, has the count that was asked for and no utterance twice."""
    drawn = [u.id for u in twenty.sample(7, seed)]
    assert drawn == sorted(drawn)
    assert len(set(drawn)) == 7


def test_a_sample_is_not_the_beginning(twenty: Corpus) -> None:
    """Over several seeds, a sample reaches the end of a corpus and not its first utterances alone."""
    assert {u.id for seed in range(20) for u in twenty.sample(5, seed)} == {u.id for u in twenty}


@pytest.mark.parametrize("count", [20, 21, 1000])
def test_a_sample_of_all_is_the_corpus(twenty: Corpus, count: int) -> None:
    """Drawing as many as there are, or more, is the corpus itself with its own revision."""
    assert twenty.sample(count, seed=3) is twenty


def test_a_sample_has_a_revision_of_its_own(twenty: Corpus) -> None:
    """A sample's revision is neither the corpus's nor that of another count."""
    assert len({twenty.revision, twenty.sample(5, 0).revision, twenty.sample(6, 0).revision}) == 3


@pytest.mark.parametrize(
    ("wanted", "count", "name"),
    [
        ({"language": "de"}, 10, "twenty.de"),
        ({"speaker": "s0"}, 7, "twenty.s0"),
        ({"language": "en", "speaker": "s0"}, 4, "twenty.en.s0"),
        ({"mood": "calm"}, 20, "twenty.calm"),
        ({"id": "u07"}, 1, "twenty.u07"),
    ],
)
def test_where_keeps_what_has_the_facts(twenty: Corpus, wanted: dict[str, str], count: int, name: str) -> None:
    """A restriction keeps the utterances of which all facts are true, and is part of name and revision."""
    kept = twenty.where(facts(wanted))
    assert len(kept) == count
    assert all(u.fact(key) == value for u in kept for key, value in wanted.items())
    assert kept.name == name
    assert kept.revision != twenty.revision


def test_where_nothing_is_wanted_is_the_corpus(twenty: Corpus) -> None:
    """No restriction is the corpus itself."""
    assert twenty.where(()) is twenty


@pytest.mark.parametrize(("key", "there"), [("language", "'de', 'en'"), ("speaker", "s2"), ("colour", "colour")])
def test_where_nothing_is_left_says_what_there_is(twenty: Corpus, key: str, there: str) -> None:
    """A restriction that nothing meets is refused, naming the values there are."""
    with pytest.raises(BadManifest, match=there):
        twenty.where(facts({key: "xx"}))


def test_revisions_of_restrictions_tell_the_utterances_apart(tmp_path: Path) -> None:
    """One restriction of two corpora that differ in an extra fact alone keeps other utterances, and says so."""
    first, second = (utterance(tmp_path, name, extra={"mood": "calm"}) for name in ("a", "b"))
    calm = corpus_of("c", (first, second))
    mixed = corpus_of("c", (first, replace(second, extra={"mood": "cross"})))
    assert calm.where(facts({"mood": "calm"})).revision != mixed.where(facts({"mood": "calm"})).revision


def test_the_same_content_has_the_same_revision(tmp_path: Path) -> None:
    """A corpus read again, or from another folder, has the revision it had."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    assert len({corpus_of("c", (utterance(folder, "a"),)).revision for folder in folders}) == 1


@pytest.mark.parametrize(
    "change",
    [{"id": "other"}, {"reference": "other"}, {"reference": ""}, {"language": "de"}, {"speaker": "s1"}],
    ids=lambda change: "-".join(map(str, change.items())),
)
def test_another_reference_is_another_revision(tmp_path: Path, change: dict[str, str]) -> None:
    """A revision changes with the id, reference, language or speaker of any utterance."""
    one = utterance(tmp_path, "a")
    assert corpus_of("c", (one,)).revision != corpus_of("c", (replace(one, **change),)).revision


def test_another_byte_of_audio_is_another_revision(tmp_path: Path) -> None:
    """A revision changes with the bytes of any audio file."""
    one = utterance(tmp_path, "a")
    before = corpus_of("c", (one,)).revision
    one.audio.write_bytes(b"other")
    assert corpus_of("c", (one,)).revision != before


def test_another_order_is_another_revision(tmp_path: Path) -> None:
    """A revision changes with the order of the utterances, which sampling depends on."""
    one, two = utterance(tmp_path, "a"), utterance(tmp_path, "b")
    assert corpus_of("c", (one, two)).revision != corpus_of("c", (two, one)).revision


def test_repr_fits_on_a_line(twenty: Corpus) -> None:
    """A corpus is shown by name, size and revision, and not by its utterances."""
    assert repr(twenty) == f"<corpus twenty: 20 utterances, 20.0 s, revision {twenty.revision}>"


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(1.0, 0.5), (1.0, 1.0), (-0.1, None), (float("nan"), None), (0.0, float("nan")), (0.0, 0.0)]
)
def test_a_stretch_ends_after_it_starts(tmp_path: Path, start_s: float, end_s: float | None) -> None:
    """An utterance that is reversed, of no length, or at no time is refused by its id."""
    with pytest.raises(BadManifest, match="'a'"):
        utterance(tmp_path, "a", start_s=start_s, end_s=end_s)


def test_another_cut_is_another_revision(tmp_path: Path) -> None:
    """A revision changes with the start and the end of any utterance."""
    cuts = [{}, {"start_s": 0.5}, {"end_s": 1.0}, {"start_s": 0.5, "end_s": 1.0}, {"start_s": 0.5, "end_s": 1.5}]
    assert len({corpus_of("c", (utterance(tmp_path, "a", **cut),)).revision for cut in cuts}) == len(cuts)


def test_without_cuts_a_revision_is_what_it_was(tmp_path: Path) -> None:
    """A corpus of whole recordings has the revision that runs before there were cuts have recorded."""
    assert corpus_of("c", (utterance(tmp_path, "a"),)).revision == "3d46cc38788a555a"


def test_a_recording_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    """A file that went away before its corpus was made is refused by path."""
    gone = utterance(tmp_path, "a")
    gone.audio.unlink()
    with pytest.raises(BadManifest, match=r"a\.wav"):
        corpus_of("c", (gone,))


def test_repr_says_what_is_left_out(tmp_path: Path) -> None:
    """What a corpus leaves out is shown with its number and reason."""
    assert "3 left out (gaps)" in repr(corpus_of("c", (utterance(tmp_path, "a"),), {"gaps": 3}))


def test_a_sample_draws_from_every_speaker_in_proportion(tmp_path: Path) -> None:
    """A speaker of half the corpus has half the sample, wherever in the corpus the speaker stands."""
    speakers = ["a"] * 40 + ["b"] * 20 + ["c"] * 20
    corpus = corpus_of("c", tuple(utterance(tmp_path, f"u{n}", speaker=s) for n, s in enumerate(speakers)))
    for seed in range(10):
        drawn = Counter(u.speaker for u in corpus.sample(20, seed))
        assert drawn == {"a": 10, "b": 5, "c": 5}


def test_a_sample_draws_from_every_quarter_of_duration_in_proportion(tmp_path: Path) -> None:
    """Short and long utterances of one speaker are drawn as often as they are there."""
    corpus = corpus_of("c", tuple(utterance(tmp_path, f"u{n}", duration_s=1.0 + n) for n in range(80)))
    for seed in range(10):
        drawn = Counter(int(u.duration_s - 1) // 20 for u in corpus.sample(8, seed))
        assert drawn == {0: 2, 1: 2, 2: 2, 3: 2}


@pytest.mark.parametrize(
    ("sign", "value", "count"),
    [("<", "3", 2), ("<=", "3", 3), (">", "3", 7), (">=", "3", 8), ("=", "3", 1), ("!=", "3", 9)],
)
def test_where_compares_durations(tmp_path: Path, sign: str, value: str, count: int) -> None:
    """A restriction of duration compares seconds."""
    corpus = corpus_of("c", tuple(utterance(tmp_path, f"u{n}", duration_s=1.0 + n) for n in range(10)))
    assert len(corpus.where((Restriction(fact="duration", sign=sign, value=value),))) == count


def test_where_compares_extra_facts_as_numbers(tmp_path: Path) -> None:
    """A fact that a manifest states as text is compared as the number it writes; one that is none is left out."""
    ages = ("9", "30", "old")
    corpus = corpus_of("c", tuple(utterance(tmp_path, f"u{age}", extra={"age": age}) for age in ages))
    assert [u.id for u in corpus.where((Restriction(fact="age", sign=">=", value="9"),))] == ["u9", "u30"]


@dataclass(frozen=True)
class Later:
    """An effect: silence before everything."""

    by_s: float

    @property
    def condition(self) -> Condition:
        """Name it."""
        return Condition(kind="later")

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:
        """Put faint noise before the audio."""
        before = random.uniform(0.0, 0.1, round(self.by_s * SAMPLE_RATE_HZ)).astype(np.float32)
        return Audio(samples=np.concatenate([before, audio.samples]))

    def moved_s(self, time_s: float, duration_s: float) -> float:
        """Move everything by as much."""
        return time_s + self.by_s


class Nothing(Later):
    """An effect that leaves nothing."""

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:
        """Refuse."""
        raise BadAudio("audio holds no samples")


@pytest.fixture
def second(tmp_path: Path) -> Corpus:
    """One second of sound in which a word is said in the middle."""
    soundfile.write(tmp_path / "a.wav", np.full(SAMPLE_RATE_HZ, 0.5), SAMPLE_RATE_HZ)
    word = Word(text="a", start_s=0.4, end_s=0.6)
    one = Utterance(id="a", audio=tmp_path / "a.wav", duration_s=1.0, reference="a", words=(word,))
    return corpus_of("second", (one,))


def test_effects_change_what_is_heard_and_what_is_known_of_it(second: Corpus) -> None:
    """Two effects are done in turn: to the audio, to its duration and to the times of its words."""
    (heard,) = second.under((Later(1.0), Later(0.5)), seed=1)
    assert heard.hear().duration_s == heard.duration_s == 2.5
    assert heard.words == (Word(text="a", start_s=1.9, end_s=2.1),)
    assert heard.reference == "a"


def test_effects_are_part_of_name_and_revision(second: Corpus) -> None:
    """A corpus under conditions knows them, its clean name, and has a revision by effects and seed."""
    under = second.under((Later(1.0),), seed=1)
    assert under.name == "second+later"
    assert (under.clean, under.conditions) == ("second", (Condition(kind="later"),))
    others = (second, under, second.under((Later(1.0),), seed=2), second.under((Later(2.0),), seed=1))
    assert len({corpus.revision for corpus in others}) == 4
    assert second.under((), seed=1) is second


def test_chance_follows_from_seed_and_utterance(second: Corpus) -> None:
    """The same seed gives the same audio, another seed or utterance other audio."""
    one = second.under((Later(1.0),), seed=1).utterances[0]
    again = second.under((Later(1.0),), seed=1).utterances[0]
    assert np.array_equal(one.hear().samples, again.hear().samples)
    for other in (replace(one, seed=2), replace(one, id="b")):
        assert not np.array_equal(one.hear().samples, other.hear().samples)


def test_an_effect_that_leaves_nothing_names_utterance_and_condition(second: Corpus) -> None:
    """Audio that cannot be heard any more is refused with the utterance and what was done to it."""
    (utterance,) = second.under((Nothing(1.0),), seed=1)
    with pytest.raises(BadAudio, match="a: later: audio holds no samples"):
        utterance.hear()
