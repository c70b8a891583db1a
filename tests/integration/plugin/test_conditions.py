"""Corpora under conditions, from the command line to the records."""

import pytest

CONDITIONS = """
schema = 1
[condition.noise]
effect = "noise"
sound = "pink"
description = "noise"
[condition.lead]
effect = "pause"
place = "start"
description = "silence first"
[condition.babble]
effect = "babble"
description = "others"
"""

# The fake runtime writes how long an audio is that it hears, and whether it is silent at first.
LISTEN = """
def listen(audio):
    return f"{audio.duration_s:.1f} s, {'sound' if audio.samples[:1600].any() else 'silence'}"
load = FakeBackend.load
def taught(self):
    self.listen = listen
    load(self)
FakeBackend.load = taught
"""


@pytest.fixture
def conditioned(lab):
    """The bench with three conditions."""
    (lab.root / "fixtures" / "conditions.toml").write_text(CONDITIONS)
    return lab


def heard(lab, corpus):
    """Give what the model wrote for each utterance of a corpus in the accuracy lane."""
    return {
        fact["utterance"]: fact["transcript"]["text"]
        for fact in lab.facts()
        if fact["kind"] == "utterance" and fact["corpus"] == corpus and fact["lane"] == "accuracy"
    }


def test_a_corpus_is_heard_clean_and_under_conditions(conditioned):
    """The model hears what the conditions leave, one after the other, and the records name the corpus with them."""
    conditioned.teach(LISTEN)
    words = "speech,speech+lead:2s,speech+lead:2s+noise:10dB"
    conditioned.run("-k", "word_error_rate", "--model", "toy", "--corpus", words)
    assert heard(conditioned, "speech") == {"a": "1.0 s, sound", "b": "1.1 s, sound", "c": "1.2 s, sound"}
    assert heard(conditioned, "speech+lead:2s")["c"] == "3.2 s, silence"
    assert heard(conditioned, "speech+lead:2s+noise:10dB")["c"] == "3.2 s, sound"


def test_the_run_says_what_is_clean_and_what_was_done_to_it(conditioned):
    """run.json holds the clean name, each condition in parts, and a revision and duration of their own."""
    conditioned.run("-k", "word_error_rate", "--model", "toy", "--corpus", "speech,speech+lead:2s+noise:-2.5dB")
    corpora = conditioned.description()["corpora"]
    clean, under = corpora["speech"], corpora["speech+lead:2s+noise:-2.5dB"]
    assert (clean["clean"], clean["conditions"]) == ("", [])
    assert under["clean"] == "speech"
    assert under["conditions"] == [
        {"kind": "lead", "strength": 2.0, "unit": "s"},
        {"kind": "noise", "strength": -2.5, "unit": "dB"},
    ]
    assert under["revision"] != clean["revision"]
    assert under["duration_s"] == pytest.approx(clean["duration_s"] + 3 * 2.0)


def test_a_sample_is_the_same_under_conditions(conditioned):
    """With a limit the same utterances are heard clean and under a condition."""
    conditioned.run("-k", "word_error_rate", "--model", "toy", "--limit", "2", "--corpus", "speech,speech+noise:10dB")
    assert len(heard(conditioned, "speech")) == 2
    assert heard(conditioned, "speech").keys() == heard(conditioned, "speech+noise:10dB").keys()


@pytest.mark.parametrize(
    ("corpus", "said"),
    [
        ("speech+nose:10dB", "*no condition 'nose'. Did you mean 'noise'?*conditions.toml*"),
        ("speech+noise:10.0dB", "*condition 'noise:10.0dB': write noise:10dB*"),
        ("speech+babble:10dB", "*corpus 'speech' has 3 utterances with speech*needs 5*"),
    ],
)
def test_a_condition_that_cannot_be_is_a_usage_error(conditioned, corpus, said):
    """What is written wrong, or cannot be made of the corpus, ends the session and says why."""
    result = conditioned.run("--corpus", corpus)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


def test_without_definitions_there_are_no_conditions(lab):
    """Fixtures without a conditions.toml go on working, and know no condition."""
    lab.run("-k", "word_error_rate", "--model", "toy").assert_outcomes(passed=1, deselected=None)
    result = lab.run("--corpus", "speech+noise:10dB")
    result.stderr.fnmatch_lines(["*no condition 'noise'. Known: none.*"])
