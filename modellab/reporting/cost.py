"""Cost: what an hour of audio takes, in processor time, in energy and in money. What was not measured stays absent."""

from dataclasses import dataclass

from modellab.records.scenario import Performance

_HOUR_S = 3600.0
_KWH_J = 3.6e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an hour of audio takes under one setting; None where it was not measured, or has no price.

    Attributes:
        core_hours: hours of one core.
        energy_kwh: of what the machine's meters are of, idle draw and all.
        money: at the price of an hour of the machine, in its currency.
    """

    core_hours: float | None = None
    energy_kwh: float | None = None
    money: float | None = None


def cost_of(performance: Performance, per_hour: float | None = None) -> Cost:
    """Give the cost of an hour of the audio that was answered; what went into calls that failed is paid for too.

    Args:
        performance: a scenario under one setting.
        per_hour: what an hour costs of a machine that does nothing else meanwhile.
    """
    audio_s = sum(call.audio_duration_s for call in performance.answered)
    return Cost(
        core_hours=core_hours(performance.cpu_s, audio_s),
        energy_kwh=energy_kwh(performance.energy_j, audio_s),
        money=money(per_hour, performance.took_s, audio_s),
    )


def core_hours(cpu_s: float | None, audio_s: float) -> float | None:
    """Give core-hours an hour of audio, from processor seconds; None where these are, or there was no audio."""
    return None if cpu_s is None or not audio_s else cpu_s / audio_s


def energy_kwh(energy_j: float | None, audio_s: float) -> float | None:
    """Give kilowatt-hours an hour of audio, from joules; None where these are, or there was no audio."""
    return None if energy_j is None or not audio_s else energy_j / audio_s * _HOUR_S / _KWH_J


def money(per_hour: float | None, took_s: float, audio_s: float) -> float | None:
    """Give the price of an hour of audio, from that of the machine's; None where this is, or there was no audio."""
    return None if per_hour is None or not audio_s else per_hour * took_s / audio_s
