"""What a model hears: claims that may run beside others, `pytest benchmarks -m accuracy -n auto`."""

import pytest

pytestmark = pytest.mark.accuracy


def test_word_error_rate(model, corpus, listen, budget):
    """Pooled over a corpus, the word error rate is at most the model's budget."""
    heard = listen(model, corpus)
    assert not heard.failures, f"{len(heard.failures)} utterances failed"
    assert heard.error_rate is not None, f"not measured: nobody speaks in {corpus.name}"
    assert heard.error_rate <= budget("wer", model, corpus), f"word error rate over budget: {heard.error_rate:.2%}"


def test_silence(model, nonspeech, listen, budget):
    """Where nobody speaks, hardly a word is written."""
    heard = listen(model, nonspeech)
    assert not heard.failures, f"{len(heard.failures)} utterances failed"
    assert heard.words_in_silence <= budget("words_in_silence", model, nonspeech)


@pytest.mark.judged_by("words_per_minute")
def test_hallucination(model, nonspeech, listen, budget):
    """Where nobody speaks, few words are written in a minute."""
    found = listen(model, nonspeech).nonspeech
    assert found is not None, f"not measured: nothing was heard of {nonspeech.name}"
    assert found.words_per_minute <= budget("words_per_minute", model, nonspeech), (
        f"{found.words_per_minute:.1f} words a minute, in {found.written_share:.0%} of the recordings"
    )


@pytest.mark.judged_by("loops")
def test_loops(model, nonspeech, listen, budget):
    """Where nobody speaks, nothing is written over and over."""
    found = listen(model, nonspeech).nonspeech
    assert found is not None, f"not measured: nothing was heard of {nonspeech.name}"
    assert found.loops <= budget("loops", model, nonspeech)


@pytest.mark.judged_by("quantisation_wer")
def test_quantisation(model, corpus, full, listen, budget):
    """In a smaller compute type, few more words are wrong than in full precision, paired by utterance."""
    limit = budget("quantisation_wer", model, corpus)
    heard, fully = listen(model, corpus), listen(full, corpus)
    failed = len(heard.failures) + len(fully.failures)
    assert not failed, f"{failed} utterances failed"
    cost = heard.cost_over(fully)
    assert cost is not None, f"not measured: nobody speaks in {corpus.name}"
    assert cost.change <= limit, f"{100 * cost.change:+.2f} points over {full.id} on {corpus.name}: {cost}"


@pytest.mark.judged_by("wer_ratio")
def test_robustness(model, corpus, clean, listen, budget):
    """Under a condition, the word error rate is at most so many times what it is without."""
    limit = budget("wer_ratio", model, corpus)
    under, without = listen(model, corpus).error_rate, listen(model, clean).error_rate
    assert under <= limit * without, f"{under:.2%} in {corpus.name}, {without:.2%} in {clean.name}"


@pytest.mark.judged_by("flips")
def test_invariance(model, corpus, variation, listen, vary, budget):
    """Heard again, alone, with other threads or in pieces, the same audio gives the same words."""
    limit = budget("flips", model, corpus)
    changed = vary(model, corpus, variation).changes_from(listen(model, corpus))
    listed = "\n".join(map(str, changed))
    assert len(changed) <= limit, f"{len(changed)} utterances of {corpus.name} differ {variation.name}:\n{listed}"


@pytest.mark.judged_by("missing_words")
def test_long_form(model, corpus, vary, budget):
    """Of a long recording, scored as one, no stretch is left out."""
    limit = budget("missing_words", model, corpus)
    heard = vary(model, corpus, "segment-times")
    assert not heard.failures, f"{len(heard.failures)} recordings failed"
    missing = sum(len(gap.words) for gap in heard.gaps)
    assert missing <= limit, f"{missing} words left out in {len(heard.gaps)} places: {heard.gaps}"


@pytest.mark.judged_by("word_time_error_s")
def test_word_times(model, corpus, vary, budget):
    """Words begin and end when they are said."""
    limit = budget("word_time_error_s", model, corpus)
    errors = vary(model, corpus, "word-times").time_errors
    assert errors.matched, f"not measured: no word of {corpus.name} has a time on both sides"
    assert max(errors.mean_start_s, errors.mean_end_s) <= limit


@pytest.mark.judged_by("language_error_rate")
def test_language_identification(model, corpus, vary, budget):
    """A model that is not told the language hears which one it is."""
    limit = budget("language_error_rate", model, corpus)
    found = vary(model, corpus, "language-untold").detections
    assert found.accuracy is not None, f"not measured: no language is stated or detected in {corpus.name}"
    assert 1 - found.accuracy <= limit, f"mistaken: {found.mistaken}"


def test_same_words_on_every_runtime(runtimes, corpus, listen, budget):
    """The same weights in full precision, asked to listen in the same way, write the same words."""
    reference, *others = [listen(model, corpus) for model in runtimes]
    limit = max(budget("changed_utterances", model, corpus) for model in runtimes)
    for other in others:
        changed = other.changes_from(reference)
        listed = "\n".join(map(str, changed))
        assert len(changed) <= limit, f"{other.model} differs from {reference.model} on {corpus.name}:\n{listed}"
