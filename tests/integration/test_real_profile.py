"""The stopwatch on real runtimes: every stage is found in what is installed, and what is written stays the same."""

import os
from pathlib import Path

import pytest

from modellab.backends.registry import backend_class
from modellab.backends.spec import ModelSpec
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.measuring.model import Model
from modellab.measuring.stages import hear_rounds, profile
from modellab.sources.cache import cache_root

FIXTURES = Path(__file__).parents[2] / "fixtures"
SDK = {"openai-whisper": "whisper", "faster-whisper": "faster_whisper", "transformers": "transformers"}


@pytest.mark.parametrize("name", SDK)
def test_every_stage_has_time(name: str) -> None:
    """All stages take time, encoder and decoder most of it; words are those without the stopwatch; nothing stays on."""
    pytest.importorskip(SDK[name])
    override = os.environ.get("MODELLAB_CACHE_DIR")
    cache = cache_root(Path(override) if override else None)
    corpus = read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache).sample(2, seed=0)
    checkpoint = Registry.read(FIXTURES / "models.toml").get("whisper-tiny.en")
    weights = prepare(checkpoint, backend_class(name).layout, cache)
    spec = ModelSpec(backend=name, checkpoint=checkpoint.name, device="cpu", compute_type="float32")
    model = Model(spec, checkpoint.languages, lambda: backend_class(name)(weights=weights, threads=2))
    try:
        bare = hear_rounds(model, corpus, 1)
        places = [place for named in model.backend.stages().values() for place in named]
        before = [vars(owner).get(attribute) for owner, attribute in places]
        found = profile(model, corpus, 1)
        after = [vars(owner).get(attribute) for owner, attribute in places]
    finally:
        model.close()
    stages = ["decode audio", "features", "encoder", "decoder", "detokenise", "other", "harness"]
    assert list(found.seconds) == stages
    assert all(found.seconds[stage] > 0 for stage in stages)
    assert sum(found.share(stage) for stage in stages) == pytest.approx(1)
    assert found.share("encoder") + found.share("decoder") > 0.5
    assert [record.transcript for record in found.records] == [record.transcript for record in bare]
    assert all(record.transcript and record.transcript.text for record in bare)
    assert all(now is then for now, then in zip(after, before, strict=True))
