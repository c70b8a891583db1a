"""Lines: a fixed cost and a marginal one."""

import numpy as np
import pytest
import statsmodels.api as sm

from modellab.scoring.line import fit


def test_a_line_is_that_of_statsmodels():
    """Both costs, their bounds and the scatter are those of ordinary least squares."""
    random = np.random.default_rng(7)
    durations = random.uniform(1, 30, 80)
    seconds = 0.25 + 0.08 * durations + random.normal(0, 0.05, 80)
    found, known = fit(list(durations), list(seconds)), sm.OLS(seconds, sm.add_constant(durations)).fit()
    assert (found.fixed_s, found.rtf) == pytest.approx(tuple(known.params))
    bounds = known.conf_int(0.05)
    assert found.fixed_bounds_s == pytest.approx(tuple(bounds[0]))
    assert found.rtf_bounds == pytest.approx(tuple(bounds[1]))
    assert found.residual_s == pytest.approx(known.mse_resid**0.5)
    assert found.samples == 80


@pytest.mark.parametrize(
    ("durations", "seconds"), [([], []), ([1.0, 2.0], [1.0, 2.0]), ([3.0, 3.0, 3.0], [1.0, 1.1, 0.9])]
)
def test_what_has_no_line(durations, seconds):
    """Two calls, or calls of one length, say nothing of what is fixed and what is not."""
    assert fit(durations, seconds) is None
