"""Claims about what is heard in another way, under conditions, or where nobody speaks."""

import pytest

from modellab.records.environment import usable_cores

RULE = """
[[budget]]
model = "*"
set_on = 2026-11-23
machine = "test"
"""


@pytest.fixture
def budgeted(lab):
    """A bench whose budgets can be added to."""

    def add(**limits):
        path = lab.root / "fixtures" / "budgets.toml"
        path.write_text(path.read_text() + RULE + "\n".join(f"{name} = {value}" for name, value in limits.items()))
        return lab

    return add


def outcomes(run, name):
    """Give what pytest said of the tests of one claim: how many passed, failed and were skipped."""
    said = [line.split()[1] for line in run.outlines if f"::test_{name}[" in line and line.endswith("%]")]
    return {word: said.count(word) for word in ("PASSED", "FAILED", "SKIPPED")}


def writing(text):
    """Give the lines that teach the fake to write one text, whatever it hears."""
    return (
        "def transcribe(self, audios, language=None):\n"
        "    from modellab.speech.transcript import Transcript\n"
        f"    return [Transcript(text={text!r}, language=language or 'de') for _ in audios]\n"
        "FakeBackend.transcribe = transcribe\n"
    )


def test_words_that_stay_the_same_are_claimed(budgeted):
    """A model that writes the same each time keeps its words, and the variations are records of their own lane."""
    lab = budgeted(flips=0)
    lab.teach(writing("hello world"))
    run = lab.run("-m", "accuracy", "-k", "invariance", "--model", "toy", "-v", "-rs")
    assert outcomes(run, "invariance") == {"PASSED": 3, "FAILED": 0, "SKIPPED": 1}
    run.stdout.fnmatch_lines(["*no utterance of speech is longer than 28 s*"])
    lanes = [(fact["lane"], fact["variation"]) for fact in lab.facts()]
    assert sorted(set(lanes)) == [
        ("accuracy", ""),
        ("variation", "again"),
        ("variation", "alone"),
        ("variation", "other-threads"),
    ]
    assert len(lanes) == 12
    assert all(not session["skipped"] for session in lab.description()["sessions"])


def test_words_that_change_are_listed(budgeted):
    """A model that writes something else in a batch than alone is caught, and the utterances are named."""
    lab = budgeted(flips=0)
    lab.teach(
        "def transcribe(self, audios, language=None):\n"
        "    from modellab.speech.transcript import Transcript\n"
        "    return [Transcript(text='together' if len(audios) > 1 else 'alone') for _ in audios]\n"
        "FakeBackend.transcribe = transcribe\n"
    )
    run = lab.run("-m", "accuracy", "-k", "invariance and alone", "--model", "toy", "-v")
    assert outcomes(run, "invariance") == {"PASSED": 0, "FAILED": 1, "SKIPPED": 0}
    run.stdout.fnmatch_lines(["*2 utterances of speech differ alone:*"])


def test_without_a_budget_nothing_is_heard_in_vain(lab):
    """A claim that nobody set a limit for is left out, and costs nothing."""
    run = lab.run("-m", "accuracy", "-k", "invariance or long_form or word_times or identification")
    run.stdout.fnmatch_lines(["*0 selected*"])
    assert lab.facts() == []


def test_robustness_compares_with_the_clean_corpus(budgeted):
    """A corpus under a condition is compared with itself without, which is heard though it was not chosen."""
    lab = budgeted(wer_ratio=1.0)
    (lab.root / "fixtures" / "conditions.toml").write_text(
        'schema = 1\n[condition.gain]\neffect = "gain"\ndescription = "louder"\n'
    )
    run = lab.run("-m", "accuracy", "-k", "robustness", "--model", "toy", "--corpus", "speech+gain:-20dB", "-v")
    assert outcomes(run, "robustness") == {"PASSED": 1, "FAILED": 0, "SKIPPED": 0}
    assert sorted({fact["corpus"] for fact in lab.facts()}) == ["speech", "speech+gain:-20dB"]


IN_INT8_TOO = "FakeBackend.refusal = classmethod(lambda cls, device, compute_type: None)\n"
QUANTISED = IN_INT8_TOO + (
    "def transcribe(self, audios, language=None):\n"
    "    from modellab.speech.transcript import Transcript\n"
    "    said = 'hello world' if self.compute_type == 'float32' else 'hello word'\n"
    "    return [Transcript(text=said, language='en') for _ in audios]\n"
    "FakeBackend.transcribe = transcribe\n"
)


@pytest.mark.parametrize(("limit", "passed", "failed"), [(0.5, 1, 0), (0.49, 0, 1)])
def test_a_compute_type_is_held_against_full_precision(budgeted, limit, passed, failed):
    """Three more of six words are wrong in int8 than in float32; float32 itself claims nothing."""
    lab = budgeted(quantisation_wer=limit)
    lab.teach(QUANTISED)
    run = lab.run(
        *("-m", "accuracy", "-k", "quantisation", "--model", "toy", "--compute-type", "int8,float32", "-v", "-rs")
    )
    assert outcomes(run, "quantisation") == {"PASSED": passed, "FAILED": failed, "SKIPPED": 1}
    assert len({fact["model"] for fact in lab.facts()}) == 2
    assert lab.description()["sessions"][0]["skipped"] == []
    if failed:
        run.stdout.fnmatch_lines(["*+50.00 points over fake:toy:cpu:float32 on speech*"])


def test_without_full_precision_nothing_is_claimed_of_a_compute_type(budgeted):
    """Where int8 alone was chosen, it is compared with nothing, and nothing is heard for it."""
    lab = budgeted(quantisation_wer=0)
    lab.teach(IN_INT8_TOO)
    run = lab.run("-m", "accuracy", "-k", "quantisation", "--model", "toy", "--compute-type", "int8", "-v", "-rs")
    assert outcomes(run, "quantisation") == {"PASSED": 0, "FAILED": 0, "SKIPPED": 1}
    run.stdout.fnmatch_lines(["*no claim: fake:toy:cpu:int8 is the fullest*"])
    assert lab.facts() == []


def test_a_compute_type_whose_hearing_failed_is_not_judged(budgeted):
    """A failure in full precision fails the claim: nothing is known of what the compute type costs."""
    lab = budgeted(quantisation_wer=1)
    lab.teach(
        f"{IN_INT8_TOO}"
        "def transcribe(self, audios, language=None):\n"
        "    from modellab.speech.transcript import Transcript\n"
        "    if self.compute_type == 'float32':\n"
        "        raise RuntimeError('no')\n"
        "    return [Transcript(text='hello') for _ in audios]\n"
        "FakeBackend.transcribe = transcribe\n"
    )
    run = lab.run("-m", "accuracy", "-k", "quantisation", "--model", "toy", "--compute-type", "int8,float32", "-v")
    assert outcomes(run, "quantisation")["FAILED"] == 1
    run.stdout.fnmatch_lines(["*3 utterances failed*"])


def test_loops_where_nobody_speaks_are_caught(budgeted):
    """A phrase written over and over in silence fails the claim, and is counted in words a minute."""
    lab = budgeted(loops=0, words_per_minute=60)
    lab.teach(writing("thank you " * 20))
    run = lab.run("-m", "accuracy", "-k", "loops or hallucination", "--model", "toy", "-v")
    run.stdout.fnmatch_lines(["*2400.0 words a minute, in 100% of the recordings*"])
    assert outcomes(run, "loops")["FAILED"] == 1


def test_a_language_that_is_not_told_is_identified(budgeted):
    """A model that detects another language than is spoken is caught; one that knows a single one is not asked."""
    lab = budgeted(language_error_rate=0.1)
    lab.teach(writing("hello"))
    run = lab.run("-m", "accuracy", "-k", "identification", "-v", "-rs")
    assert outcomes(run, "language_identification") == {"PASSED": 0, "FAILED": 1, "SKIPPED": 1}
    run.stdout.fnmatch_lines(["*stated='en', detected='de', count=3*", "*toy-en knows en alone*"])


def test_times_of_words_are_compared(budgeted):
    """Words that begin half a second late fail a tighter limit; a corpus without times is not judged."""
    lab = budgeted(word_time_error_s=0.25)
    times = [{"word": "hello", "start_s": 0.0, "end_s": 0.4}, {"word": "world", "start_s": 0.4, "end_s": 0.9}]
    lab.speak({"id": "a", "text": "hello world", "words": times})
    lab.teach(
        "from modellab.speech.transcript import Segment, Transcript, Word\n"
        "def transcribe(self, audios, language=None):\n"
        "    words = (Word(text='hello', start_s=0.5, end_s=0.6), Word(text='world', start_s=0.9, end_s=1.0))\n"
        "    segment = Segment(text='hello world', start_s=0.0, end_s=1.0, words=words)\n"
        "    return [Transcript(text='hello world', segments=(segment,)) for _ in audios]\n"
        "FakeBackend.transcribe = transcribe\n"
    )
    run = lab.run("-m", "accuracy", "-k", "word_times", "--model", "toy", "-v")
    assert outcomes(run, "word_times") == {"PASSED": 0, "FAILED": 1, "SKIPPED": 0}
    run.stdout.fnmatch_lines(["*0.5 <= 0.25*"])


def test_words_left_out_of_a_long_recording_are_found(budgeted):
    """A stretch that a model leaves out fails the claim, with the place and the words."""
    lab = budgeted(missing_words=0)
    lab.speak({"id": "a", "text": "a long word after another was spoken in this speech"})
    lab.teach(writing("a long long speech"))
    run = lab.run("-m", "accuracy", "-k", "long_form", "--model", "toy", "-v")
    assert outcomes(run, "long_form")["FAILED"] == 1
    run.stdout.fnmatch_lines(["*6 words left out in 1 places*"])


def test_much_speech_is_heard_by_a_crew(lab):
    """Two minutes of speech are heard by the crew that is best here, each utterance once, and that is a fact."""
    count = 130
    lab.speak(*({"id": f"u{number}", "text": "hello world"} for number in range(count)))
    lab.run("-m", "accuracy", "-k", "word_error_rate", "--model", "toy").assert_outcomes(passed=1, deselected=None)
    arranged = [fact for fact in lab.facts() if fact["kind"] == "arrangement"]
    heard = [fact["utterance"] for fact in lab.facts() if fact["kind"] == "utterance"]
    assert sorted(heard) == sorted(f"u{number}" for number in range(count))
    assert len(arranged) == int(usable_cores() > 1)
    assert all(len(each["trials"]) > 1 for each in arranged)
    lab.run("-m", "accuracy", "-k", "word_error_rate", "--model", "toy", "--threads", "1")
    assert not any(fact["kind"] == "arrangement" for fact in lab.facts())


def test_a_bench_without_silence_has_no_claims_about_it(lab):
    """Where no corpus is named in which nobody speaks, the other claims are made all the same."""
    path = lab.root / "fixtures" / "bench.toml"
    path.write_text(path.read_text().replace('nonspeech_corpus = ["silence"]\n', ""))
    run = lab.run("-m", "accuracy", "-k", "word_error_rate or loops", "--model", "toy")
    run.assert_outcomes(passed=1, deselected=None)
