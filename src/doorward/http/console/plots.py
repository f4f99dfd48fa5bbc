"""Plots as SVG, made here: bars whose height tells how many, stacked where a plot has several kinds.

A bar is a part of a path, so that a plot takes about a kilobyte. The drawing is stretched to the width it gets; nothing
in it is text. What it says is said beside it in words, and in the page's table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

HEIGHT = 100
INSET = 0.12
"""Of a bar's place, left free at each side."""
LEAST = 2
"""As high as one of however many is drawn, so that it is seen."""
ROUND = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Plot:
    """`top` is the number that the drawing's upper edge stands for."""

    drawing: Markup
    top: int


def drawn(kinds: Sequence[Sequence[int]], label: str) -> Plot:
    """The bars of each kind, the first at the bottom; `label` begins the ids of what names the drawing."""
    sums = [sum(numbers) for numbers in zip(*kinds, strict=True)]
    top = ceiling(max(sums))
    below = [0.0] * len(sums)
    paths = []
    for kind, numbers in enumerate(kinds, 1):
        heights = [max(LEAST, number * HEIGHT / top) if number else 0.0 for number in numbers]
        bars = "".join(_bar(place, below[place], height) for place, height in enumerate(heights) if height)
        paths.append(Markup('<path class="kind{}" d="{}"/>').format(kind, bars))
        below = [floor + height for floor, height in zip(below, heights, strict=True)]
    drawing = Markup(
        '<svg class="bars" role="img" aria-labelledby="{0}-title {0}-words" viewBox="0 0 {1} {2}" '
        'preserveAspectRatio="none"><path class="grid" d="M0 {3}H{1}M0 {2}H{1}M0 0H{1}" '
        'vector-effect="non-scaling-stroke"/>{4}</svg>'
    ).format(label, len(sums), HEIGHT, HEIGHT // 2, Markup("").join(paths))
    return Plot(drawing, top)


def _bar(place: int, below: float, height: float) -> str:
    """A rectangle as a part of a path, on top of what is below it at its place."""
    return f"M{place + INSET:g} {HEIGHT - below:.4g}v{-height:.4g}h{1 - 2 * INSET:g}v{height:.4g}z"


def ceiling(most: int) -> int:
    """The least of 2, 4, 6, 8, 10, 20, 40, 60, ... that is not below: half of it is a whole number, too."""
    power = 1
    while True:
        for step in ROUND:
            if step * power * 2 >= most:
                return step * power * 2
        power *= 10
