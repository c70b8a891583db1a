"""Stretch: where in a recording something is said."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import isfinite
from pathlib import Path

from modellab.errors import BadManifest
from modellab.speech.audio import stated_duration_s

OVERSHOOT_S = 0.5  # times are rounded; Kaldi's extract-segments lets a segment end this long after its recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of a recording, `end_s` None where it goes to the end, and the file and line that say so."""

    recording: Path
    start_s: float
    end_s: float | None
    where: str

    def __str__(self) -> str:
        return f"{self.start_s:.10g} to {'the end' if self.end_s is None else f'{self.end_s:.10g}'} s"

    @property
    def is_cut(self) -> bool:
        """Whether it is less than the recording."""
        return self.start_s > 0 or self.end_s is not None

    def id_in(self, whole: str) -> str:
        """Give the id of what is said here, where `whole` is the recording's own."""
        return f"{whole}@{self.start_s:.3f}" if self.is_cut else whole

    def duration_s(self, recording_s: float) -> float:
        """Give the seconds that can be heard of a recording that states `recording_s`, 0 where it states none.

        Raises:
            BadManifest: when the stretch lies beyond the recording.
        """
        end_s = recording_s if self.end_s is None else self.end_s
        if not recording_s:
            return max(end_s - self.start_s, 0.0)
        if self.start_s >= recording_s or end_s > recording_s + OVERSHOOT_S:
            raise BadManifest(f"{self.where}: {self} lies beyond {self.recording}, which lasts {recording_s:g} s")
        return min(end_s, recording_s) - self.start_s


class Durations:
    """What recordings state that they last, each asked once."""

    def __init__(self) -> None:
        self._stated_s: dict[Path, float] = {}

    def __getitem__(self, recording: Path) -> float:
        if recording not in self._stated_s:
            self._stated_s[recording] = stated_duration_s(recording)
        return self._stated_s[recording]


def parse_stretch(recording: Path, start: str, end: str | None, where: str) -> Stretch:
    """Give the stretch between two times in seconds, as they are written.

    Raises:
        BadManifest: when one is no time, or the end does not come after the start.
    """
    start_s, end_s = parse_time_s(start, where), None if end is None else parse_time_s(end, where)
    stretch = Stretch(recording=recording, start_s=start_s, end_s=end_s, where=where)
    if end_s is not None and end_s <= start_s:
        fault = "has no length" if end_s == start_s else "ends before it starts"
        raise BadManifest(f"{where}: the segment {stretch} {fault}")
    return stretch


def refuse_overlaps(stretches: Iterable[Stretch]) -> None:
    """Refuse stretches of one recording that overlap: what is said in both would stand in one reference alone.

    They may touch. A recording that is never cut may well be listed twice.

    Raises:
        BadManifest: naming the later stretch and the one it overlaps.
    """
    listed = tuple(stretches)
    cut = {stretch.recording for stretch in listed if stretch.is_cut}
    ordered = sorted(
        (stretch for stretch in listed if stretch.recording in cut),
        key=lambda stretch: (str(stretch.recording), stretch.start_s),
    )
    for _, group in groupby(ordered, key=lambda stretch: stretch.recording):
        for earlier, later in pairwise(group):
            if earlier.end_s is None or later.start_s < earlier.end_s:
                raise BadManifest(
                    f"{later.where}: the segment {later} overlaps {earlier} ({earlier.where}) of {later.recording}; "
                    "cut them so that they touch, or leave one out"
                )


def parse_time_s(text: str, where: str) -> float:
    """Give a time or duration in seconds as it is written.

    Raises:
        BadManifest: when it is no number, or less than 0.
    """
    try:
        time_s = float(text)
    except ValueError:
        time_s = -1.0
    if not isfinite(time_s) or time_s < 0:
        raise BadManifest(f"{where}: a time must be seconds, 0 or more, not {text!r}")
    return time_s
