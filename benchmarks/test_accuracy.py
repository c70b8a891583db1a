"""What a model hears: claims that may run beside others, `pytest benchmarks -m accuracy -n auto`."""

import pytest

pytestmark = pytest.mark.accuracy


def test_word_error_rate(model, corpus, listen, budget):
    """Pooled over a corpus, the word error rate is at most the model's budget."""
    heard = listen(model, corpus)
    assert not heard.failures, f"{len(heard.failures)} utterances failed"
    assert heard.error_rate is not None, f"not measured: nobody speaks in {corpus.name}"
    assert heard.error_rate <= budget("wer", model, corpus), f"word error rate over budget: {heard.error_rate:.2%}"


def test_silence(model, silence, listen, budget):
    """Where nobody speaks, no word is written."""
    heard = listen(model, silence)
    assert not heard.failures, f"{len(heard.failures)} utterances failed"
    assert heard.words_in_silence <= budget("words_in_silence", model, silence)


def test_same_words_on_every_runtime(runtimes, corpus, listen, budget):
    """The same weights in full precision, asked to listen in the same way, write the same words."""
    reference, *others = [listen(model, corpus) for model in runtimes]
    limit = max(budget("changed_utterances", model, corpus) for model in runtimes)
    for other in others:
        changed = other.changes_from(reference)
        listed = "\n".join(map(str, changed))
        assert len(changed) <= limit, f"{other.model} differs from {reference.model} on {corpus.name}:\n{listed}"
