"""Plots as SVG, the same bytes for the same figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

WIDTH_IN, ROW_IN = 9, 2.2
OURS, OTHERS = "#1f5fa8", "#9aa7b4"


def bars(path: Path, panels: Mapping[str, Mapping[str, float]], ours: str) -> None:
    """A panel for each title, with a bar for each name; the one of `ours` stands out."""
    figure = Figure(figsize=(WIDTH_IN, ROW_IN), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)
    for axis, (title, values) in zip(axes[0], panels.items(), strict=True):
        names = list(values)[::-1]
        drawn = axis.barh(names, [values[name] for name in names], color=[OURS if n == ours else OTHERS for n in names])
        axis.bar_label(drawn, fmt="{:,.0f}", padding=3)
        axis.set_title(title)
        axis.margins(x=0.2)
        axis.spines[["top", "right"]].set_visible(False)
    _save(path, figure)


def lines(path: Path, minutes: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """A panel for each title over the same minutes, with a line for each name; each begins at zero."""
    figure = Figure(figsize=(WIDTH_IN, ROW_IN * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True)
    for (axis,), (title, series) in zip(axes, panels.items(), strict=True):
        for name, values in series.items():
            axis.plot(minutes, values, label=name, linewidth=1)
        axis.set_title(title, loc="left")
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
        if len(series) > 1:
            axis.legend(frameon=False, loc="upper right")
    axes[-1][0].set_xlabel("minutes")
    _save(path, figure)


def _save(path: Path, figure: Figure) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.name}):
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    # The library ends lines with spaces.
    path.write_text("\n".join(line.rstrip() for line in path.read_text("utf-8").splitlines()) + "\n", "utf-8")
