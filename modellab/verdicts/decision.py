"""Decision: what a comparison of two arms came to."""

from enum import StrEnum


class Decision(StrEnum):
    """What a gate decided about a candidate against its base.

    It is not a `Verdict`, which holds one measured figure against an absolute limit: two arms can differ by too little
    to tell, and a limit cannot. Nor is it the outcome of a session, which says whether all was measured.

    Attributes:
        PASS: whatever is worse, if anything, is less than what anybody wants to know of.
        REGRESSED: the candidate is worse, by more than the floor.
        INCONCLUSIVE: the evidence rules out neither; the finding says what it would have taken.
        ERROR: nothing was judged that should have been.
        INFORMS: there is an estimate, and not enough of it to judge by; never a reason to fail or to pass.
    """

    PASS = "pass"  # noqa: S105
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    INFORMS = "informs"
