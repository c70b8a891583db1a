"""Still: what effects share that move nothing in time."""


class Still:
    """An effect after which every moment comes when it came before."""

    __slots__ = ()

    def moved_s(self, time_s: float, duration_s: float) -> float:  # noqa: ARG002 - as every effect is asked
        """Give when a moment of audio that lasts `duration_s` comes afterwards: when it came before."""
        return time_s
