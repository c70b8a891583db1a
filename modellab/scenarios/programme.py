"""Programme: how much of each scenario is performed."""

from dataclasses import dataclass

from modellab.errors import BadDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """The sizes of the scenarios, as `[performance]` of bench.toml has them.

    Attributes:
        calls: of the single stream; 662 give a 99th percentile, 130 a 95th.
        callers: how many ask at once, one after the other.
        concurrent_calls: that each of them makes.
        replicas: how many processes share the cores in the offline sweep.
        batch_sizes: of the offline sweep.
        offline_s: audio of an offline performance at least, in seconds; a corpus of less is heard again.
        bound_s: what a server's 95th percentile of latency must stay below, in seconds.
        requests: of each rate of a server.
        tolerance: how exactly the highest rate is found, a fraction.
        rate_limit_s: the longest that one rate may be tried, in seconds.
        step_s: audio between two partials of a stream at least, in seconds.
        turns: transcriptions after each of which memory is looked at.
        reloads: times that a model is unloaded and loaded in one process.

    Raises:
        BadDefinition: when any of them is not above zero.
    """

    calls: int = 130
    callers: tuple[int, ...] = (2, 4)
    concurrent_calls: int = 15
    replicas: tuple[int, ...] = (1, 2)
    batch_sizes: tuple[int, ...] = (1, 4, 8)
    offline_s: float = 120.0
    bound_s: float = 2.0
    requests: int = 130
    tolerance: float = 0.25
    rate_limit_s: float = 240.0
    step_s: float = 1.0
    turns: int = 200
    reloads: int = 20

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            for number in value if isinstance(value, tuple) else (value,):
                if not 0 < number < float("inf"):
                    raise BadDefinition(f"performance: {name} must be above 0, not {number}")
