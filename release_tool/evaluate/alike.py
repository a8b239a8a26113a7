"""How alike two maps are: mean absolute error, and overlap of what is salient."""

import numpy as np

from release_tool.evaluate.pictures import Floats

SALIENT = 0.5


def mean_error(one: Floats, other: Floats) -> float:
    """Return the mean absolute error of two maps between 0 and 1."""
    return float(np.abs(one - other).mean())


def overlap(one: Floats, other: Floats) -> float:
    """Return the IoU of what is salient, from 0.5 on, in two maps; 1 where neither has any."""
    return ratio(*areas(one, other))


def areas(one: Floats, other: Floats) -> tuple[int, int]:
    """Count what is salient in both maps and in either."""
    first, second = one >= SALIENT, other >= SALIENT
    return int((first & second).sum()), int((first | second).sum())


def ratio(both: int, either: int) -> float:
    """Return the IoU of two areas; 1 where neither has any."""
    return both / either if either else 1.0
