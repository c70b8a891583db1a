"""Corner: one arm of a block: its live worker, and what is known of it so far."""

from collections.abc import Collection
from dataclasses import dataclass, field
from math import inf

from modellab.errors import BadTranscript
from modellab.machine.clock import timed
from modellab.machine.pinning import pin
from modellab.measuring.accuracy import Audible
from modellab.measuring.contender import Contender
from modellab.measuring.inject import VARIABLE
from modellab.measuring.worker import Worker
from modellab.records.duel import Answer, ArmFacts

WARM_UP_LEAST = 3
WARM_UP_MOST = 8
STEADY = 0.05  # how far apart the last two answers of a warm-up may be, a fraction


@dataclass(kw_only=True)
class Corner:
    """An arm that is started, warmed up, asked and ended; `step` is what it is at. Its facts outlive an error."""

    contender: Contender
    worker: Worker
    step: str = field(default="start", init=False)
    ready_s: float | None = field(default=None, init=False)
    warmed: list[Answer] = field(default_factory=list, init=False)
    cpu_s: float | None = field(default=None, init=False)
    peak_memory_bytes: int | None = field(default=None, init=False)
    _cpu_before_s: float = field(default=0.0, init=False)

    def start(self, cores: Collection[int] | None) -> None:
        """Start the process, load the model, and hold it to the cores where there are any."""
        _, self.ready_s = timed(self.worker.load)
        self.step = "inject"
        self.contender.refuse_other(self.worker.versions)
        if cores and self.worker.pid:
            self.step = "pin"
            pin(self.worker.pid, cores)
        self.step = "transcribe"

    def warm_up(self, audible: Audible) -> None:
        """Have it hear one utterance three to eight times, until two in a row took equally long, but for 5 %."""
        while len(self.warmed) < WARM_UP_LEAST or (len(self.warmed) < WARM_UP_MOST and not _steady(self.warmed)):
            self.warmed.append(self.answer(audible))

    def answer(self, audible: Audible) -> Answer:
        """Have it hear an utterance; give what it wrote and the seconds it took.

        Raises:
            WorkerError: when it has no answer.
            BadTranscript: when it answers other than one text and the seconds it took.
        """
        utterance, audio = audible
        transcripts, seconds = self.worker.listen([audio], utterance.language or None)
        if len(transcripts) != 1 or not 0 <= seconds < inf:
            raise BadTranscript(f"{len(transcripts)} transcripts in {seconds} s are no answer to one utterance")
        return Answer(seconds=seconds, text=self.contender.writes(transcripts[0].text, utterance))

    def begin(self) -> None:
        """Note the processor time before the rounds."""
        self._cpu_before_s = self.worker.cpu_s()

    def finish(self) -> None:
        """Note processor time and memory after the rounds."""
        self.cpu_s = self.worker.cpu_s() - self._cpu_before_s
        self.peak_memory_bytes = self.worker.memory().peak_bytes

    def close(self) -> None:
        """End the process; harmless when called again."""
        self.worker.close()

    def facts(self) -> ArmFacts:
        """Give what is known so far."""
        versions = dict(self.worker.versions)
        return ArmFacts(
            name=self.contender.label,
            backend=self.contender.blueprint.backend,
            options=self.contender.options(),
            injected=versions.pop(VARIABLE, ""),
            versions=versions,
            ready_s=self.ready_s,
            import_s=self.worker.import_s,
            load_s=self.worker.load_s,
            warm_up=tuple(self.warmed),
            cpu_s=self.cpu_s,
            peak_memory_bytes=self.peak_memory_bytes,
        )


def _steady(answers: list[Answer]) -> bool:
    before, last = answers[-2].seconds, answers[-1].seconds
    return abs(last - before) < STEADY * before
