"""Blocks of a duel on disk: every fact comes back, and what cannot be is refused."""

import errno
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from modellab.errors import BadRecord, StoreFull
from modellab.records.duel import Answer, ArmFacts, DuelBlock, DuelFailure, MachineFacts, Round
from modellab.records.duels import Duels
from modellab.records.lines import Torn

ROUND = Round(
    utterance="u1",
    audio_duration_s=2.0,
    first="candidate",
    base=Answer(seconds=0.5, text="Grüße,\n世界"),
    candidate=Answer(seconds=0.25, text=""),
)
ARM = ArmFacts(
    name="base",
    backend="fake",
    options={"threads": 1, "weights": None, "decode": {"temperatures": [0.0, 0.2]}},
    versions={"python": "3.11.2"},
    ready_s=1.0,
    import_s=0.1,
    load_s=1 / 3,
    warm_up=(Answer(seconds=0.75, text="first"), Answer(seconds=0.5, text="Grüße,\n世界")),
    cpu_s=1.5,
    peak_memory_bytes=1 << 40,
)
MACHINE = MachineFacts(
    cores=2,
    pinned=(0, 1),
    fixed_work_before_s=(0.01, 0.02),
    fixed_work_after_s=(0.01,),
    steal=0.01,
    throttled_periods=3,
    throttled_s=0.2,
    load_before=1.5,
    load_after=1.6,
)
FAILURE = DuelFailure(
    side="candidate", stage="load", kind="exit 3", message="ended", utterance="u1", log=("one", "two")
)


def block(**facts: Any) -> DuelBlock:
    """Give a block."""
    known = {
        "id": "01",
        "created_at": "2026-01-02T03:04:05+00:00",
        "number": 0,
        "seed": 7,
        "corpus": "tones",
        "revision": "feed",
        "threads": 1,
        "started_first": "base",
        "warm_up_utterance": "u1",
        "base": ARM,
        "candidate": replace(ARM, name="candidate [slow:1.05]", injected="slow:1.05"),
        "machine": MACHINE,
        "took_s": 3.5,
        "rounds": (ROUND,),
    }
    return DuelBlock(**{**known, **facts})


def test_every_field_comes_back(tmp_path: Path) -> None:
    """Blocks with every field filled, or with none that may be left out, are read as they were written, in order."""
    duels = Duels(tmp_path / "deep" / "run")
    bare = ArmFacts(name="base", backend="fake", options={})
    blocks = [
        block(same_code=(ROUND, ROUND)),
        block(rounds=(), failure=FAILURE, same_code=()),
        block(base=bare, machine=MachineFacts(cores=1)),
        block(failure=replace(FAILURE, side=None, utterance=None, log=())),
    ]
    for each in blocks:
        duels.append(each)
    duels.close()
    assert list(duels.blocks()) == blocks
    assert duels.path.name == "duels.jsonl"
    assert len(duels.path.read_text().splitlines()) == 4


def test_no_file_is_no_blocks(tmp_path: Path) -> None:
    """Where nothing was written there are no blocks, and reading makes nothing."""
    duels = Duels(tmp_path / "run")
    assert list(duels.blocks()) == []
    assert not (tmp_path / "run").exists()


def test_a_torn_block_is_passed_over_and_told(tmp_path: Path) -> None:
    """A line cut short is told where it stands, and what is appended after it is whole."""
    Duels(tmp_path).append(block())
    with (tmp_path / "duels.jsonl").open("ab") as file:
        file.write(b'{"id":"02","creat')
    Duels(tmp_path).append(block(id="03"))
    assert [each.id for each in Duels(tmp_path).blocks()] == ["01", "03"]
    assert Torn(number=2) in list(Duels(tmp_path).lines())


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"schema": 2}, "schema 2; this version reads schema 1"),
        ({"surprise": 1}, "surprise"),
        ({"rounds": []}, "neither a round nor a failure"),
        ({"took_s": None}, "took_s"),
        ({"started_first": "left"}, "started_first"),
    ],
)
def test_what_cannot_be_read_names_its_line(tmp_path: Path, facts: dict[str, Any], why: str) -> None:
    """A block of another schema, with unknown facts or without any is refused with file and line."""
    line = json.dumps(asdict(block()) | facts)
    (tmp_path / "duels.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(BadRecord, match=rf"duels\.jsonl:2: .*{why}"):
        list(Duels(tmp_path).blocks())


@pytest.mark.parametrize(
    "facts",
    [
        {"took_s": float("nan")},
        {"rounds": (replace(ROUND, base=Answer(seconds=float("inf"), text="")),)},
        {"same_code": (replace(ROUND, audio_duration_s=float("nan")),)},
        {"candidate": replace(ARM, warm_up=(Answer(seconds=float("nan"), text=""),))},
        {"base": replace(ARM, load_s=float("nan"))},
        {"machine": replace(MACHINE, fixed_work_after_s=(float("nan"),))},
    ],
)
def test_durations_are_finite(facts: dict[str, Any]) -> None:
    """A duration that is no number is refused, wherever it is: JSON has no word for it."""
    with pytest.raises(BadRecord, match="finite"):
        block(**facts)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that does not fit raises with the file's name, as does one of which only a part was taken."""
    duels, write = Duels(tmp_path), os.write
    duels.append(block())

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreFull, match=r"duels\.jsonl: No space left"):
        duels.append(block())
    monkeypatch.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:10]))
    with pytest.raises(StoreFull, match="only part"):
        duels.append(block())
    monkeypatch.undo()
    duels.append(block(id="02"))
    assert [each.id for each in duels.blocks()] == ["01", "02"]


def test_figures_are_derived() -> None:
    """Seconds, real-time factor, cold start and texts come from the facts; without facts there is none."""
    other = replace(ROUND, utterance="u2", base=Answer(seconds=1.5, text="x"))
    made = block(rounds=(ROUND, other))
    assert made.seconds("base") == (0.5, 1.5)
    assert (made.rtf("base"), made.rtf("candidate")) == (0.5, 0.125)
    assert made.cold_start_s("base") == 1.75
    assert made.texts("base") == {"u1": ("first", "Grüße,\n世界"), "u2": ("x",)}
    empty = block(rounds=(), failure=FAILURE, base=replace(ARM, warm_up=()))
    assert (empty.rtf("base"), empty.cold_start_s("base"), empty.texts("base")) == (None, None, {})
