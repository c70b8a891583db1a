"""A duel on real weights and real speech: two workers of the same code, and one that is made slower."""

import os
from pathlib import Path

import psutil
import pytest

from modellab.backends.registry import backend_class
from modellab.checkpoints.layouts import prepare
from modellab.checkpoints.registry import Registry
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.contender import Contender
from modellab.measuring.duel import Duel
from modellab.measuring.inject import Injection
from modellab.records.duels import Duels
from modellab.sources.cache import cache_root

FIXTURES = Path(__file__).parents[2] / "fixtures"
NAME = "faster-whisper"


@pytest.fixture(scope="module")
def duel() -> Duel:
    """whisper-tiny.en in int8 against itself with half as much work again, one thread each, two sentences a block."""
    pytest.importorskip("faster_whisper")
    override = os.environ.get("MODELLAB_CACHE_DIR")
    cache = cache_root(Path(override) if override else None)
    weights = prepare(Registry.read(FIXTURES / "models.toml").get("whisper-tiny.en"), "ctranslate2", cache)
    blueprint = Blueprint.of(NAME, backend_class(NAME)(weights=weights, compute_type="int8", threads=1))
    return Duel(
        base=Contender(name="tiny", blueprint=blueprint),
        candidate=Contender(name="tiny", blueprint=blueprint, injection=Injection(slow=1.5)),
        corpus=read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), cache),
        rounds=2,
        limit_s=120,
    )


def test_a_block_on_real_weights(duel: Duel, tmp_path: Path) -> None:
    """Equal weights write equal words, the slowed arm is slower, the machine tells, and nothing is left running."""
    before = psutil.Process().children(recursive=True)
    block = duel.block(0)
    assert block.failure is None
    assert len(block.rounds) == 2
    assert all(each.base.text and each.base.text == each.candidate.text for each in block.rounds)
    assert all(len(texts) == 1 for texts in block.texts("base").values())
    assert 1.05 < block.candidate.cpu_s / block.base.cpu_s < 20  # 1.5, and more where others prolong the calls
    assert block.rtf("base") > 0
    assert block.rtf("candidate") > 0
    assert (block.base.injected, block.candidate.injected) == ("", "slow:1.5")
    assert {"ctranslate2", "faster-whisper"} <= set(block.base.versions)
    assert min(block.cold_start_s("base"), block.cold_start_s("candidate")) > 0.1
    assert min(block.base.peak_memory_bytes, block.candidate.peak_memory_bytes) > 50 << 20
    assert 0.1 < block.base.cpu_s < 1.2 * sum(block.seconds("base"))  # one thread, and of the rounds alone
    assert "folder" not in block.base.options["weights"]
    assert block.machine.fixed_work_before_s
    assert set(psutil.Process().children(recursive=True)) <= set(before)
    duels = Duels(tmp_path)
    duels.append(block)
    assert list(duels.blocks()) == [block]
