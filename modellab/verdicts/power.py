"""Power: what a number of values can see, and how many it takes to see something."""

from math import ceil, sqrt

from scipy.special import nctdtrinc, ndtri, stdtrit


def detectable(sd: float, count: int, *, alpha: float, power: float, floor: float = 0.0) -> float:
    """Give the smallest mean that a one-sided t test at `alpha` sees with `power`, in the unit of `sd`.

    Where an estimate must also be above a floor, that is part of seeing it. It is that of the noncentral t
    distribution, as `statsmodels.stats.power.TTestPower` has it.
    """
    freedom, error = count - 1, sd / sqrt(count)
    significant = float(nctdtrinc(freedom, 1 - power, stdtrit(freedom, 1 - alpha))) * error
    above = floor + float(stdtrit(freedom, power)) * error
    return max(significant, above)


def planned(sd: float, difference: float, *, alpha: float, power: float, floor: float = 0.0, least: int = 2) -> int:
    """Give how many values it takes to see a difference with `power` at one-sided `alpha`, all in the unit of `sd`.

    The normal distribution asks for ((z_alpha + z_power) sd / difference) ** 2, and two more since `sd` is estimated;
    at a small alpha that is still too few, so it is raised until the difference is `detectable`. The difference has to
    be above the floor.
    """
    weak, sure = float(ndtri(power)), float(ndtri(1 - alpha)) + float(ndtri(power))
    count = max(least, ceil(max(sure * sd / difference, weak * sd / (difference - floor)) ** 2 + 2))
    while detectable(sd, count, alpha=alpha, power=power, floor=floor) > difference:
        count += 1
    return count
