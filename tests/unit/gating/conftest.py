"""Two arms that were measured by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from modellab.gating.rules import Expectation, Rules
from modellab.records.duel import Answer, ArmFacts, DuelBlock, DuelFailure, MachineFacts, Round
from modellab.records.failure import Failure
from modellab.records.record import Record
from modellab.speech.transcript import Transcript
from modellab.verdicts.quality import Terms
from modellab.verdicts.sequential import Plan

MODEL, CORPUS = "fake:none:cpu:float32", "tones"
SMALL = Plan(looks=(3, 5), shares=(0.4, 0.6), alpha=0.05, floor=0.02, interest=0.5)


@pytest.fixture
def written() -> Callable[..., Record]:
    """Give what an arm wrote for an utterance; None is a failure."""

    def make(utterance: str, text: str | None, said: str = "the hat sat", speaker: str | None = None) -> Record:
        failed = Failure(stage="transcribe", kind="RuntimeError", message="no memory left")
        outcome = {"failure": failed} if text is None else {"transcript": Transcript(text=text)}
        return Record(
            model=MODEL,
            corpus=CORPUS,
            utterance=utterance,
            audio_duration_s=1.0,
            reference=said,
            lane="accuracy",
            session=0,
            language="en",
            speaker=speaker,
            **outcome,
        )

    return make


@pytest.fixture
def block() -> Callable[..., DuelBlock]:
    """Give a block in which the candidate takes `slower` times what the base takes, in all that is measured."""

    def make(number: int, slower: float = 1.0, utterances: int = 4, **facts: Any) -> DuelBlock:
        seconds = [0.5 + 0.1 * place + 0.001 * number for place in range(utterances)]
        rounds = tuple(
            Round(
                utterance=f"u{place}",
                audio_duration_s=1.0,
                first="base",
                base=Answer(seconds=took, text="hello"),
                candidate=Answer(seconds=took * slower, text="hello"),
            )
            for place, took in enumerate(seconds)
        )
        arms = {
            side: ArmFacts(
                name=side,
                backend="fake",
                options={},
                ready_s=1.0 * factor,
                warm_up=(Answer(seconds=0.5 * factor, text="hello"),),
                cpu_s=2.0 * factor,
                peak_memory_bytes=round(1e6 * factor),
            )
            for side, factor in (("base", 1.0), ("candidate", slower))
        }
        known: dict[str, Any] = {
            "id": f"block-{number:03}",
            "created_at": "2026-11-23T00:00:00+00:00",
            "number": number,
            "seed": 0,
            "corpus": CORPUS,
            "revision": "r",
            "threads": 1,
            "started_first": "base",
            "warm_up_utterance": "u0",
            "machine": MachineFacts(cores=2, fixed_work_before_s=(0.1,), fixed_work_after_s=(0.1,), steal=0.0),
            "took_s": 1.0,
            "rounds": rounds,
        }
        return DuelBlock(**{**known, **arms, **facts})

    return make


@pytest.fixture
def crashed() -> DuelFailure:
    """The end of a block in which the candidate died."""
    return DuelFailure(
        side="candidate", stage="transcribe", kind="SIGKILL", message="ended", utterance="u1", log=("last words",)
    )


@pytest.fixture
def rules(tmp_path: Any) -> Callable[..., Rules]:
    """Give rules that expect these metrics of every model on the corpus."""

    def make(*metrics: str, model: str = "*", plan: Plan = SMALL, **facts: Any) -> Rules:
        known: dict[str, Any] = {
            "expectations": tuple(Expectation(metric=m, model=model, corpus=CORPUS, plan=plan) for m in metrics),
            "terms": Terms(),
            "family_alpha": 0.05,
            "rounds": 2,
            "same_code": 0,
            "source": tmp_path / "gates.toml",
        }
        return Rules(**{**known, **facts})

    return make
