"""Small plots as SVG, written by hand: panels side by side, axes with units, readable on light and on dark."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from fitting import Line, Point

PANEL_WIDTH, PANEL_HEIGHT = 380, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 24, 46, 44
COLUMNS = 2
TICKS = 5

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-weight: 600 } .key { font-size: 11px }
.grid { stroke: #8884; stroke-width: 1 } .axis { stroke: #777; stroke-width: 1; fill: none }
.a { fill: #0b6fb8; stroke: #0b6fb8 } .b { fill: #c2570c; stroke: #c2570c }
line.a, line.b { stroke-width: 1.5; stroke-dasharray: 5 3 } text.a, text.b { stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .axis { stroke: #999 }
  .a { fill: #62b5f5; stroke: #62b5f5 } .b { fill: #f5a05c; stroke: #f5a05c }
}
"""
_CLASSES = "ab"


class Series(NamedTuple):
    """Points, and the line through them."""

    name: str
    points: Sequence[Point]
    line: Line


class Panel(NamedTuple):
    """One plot; at most two series."""

    title: str
    x_title: str
    y_title: str
    series: Sequence[Series]


class Scale(NamedTuple):
    """From values, 0 to the highest tick, to places, from `start` to `end`."""

    highest: float
    step: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (self.end - self.start) * value / self.highest

    def ticks(self) -> Sequence[float]:
        """Return the values at which there is a tick."""
        return [number * self.step for number in range(round(self.highest / self.step) + 1)]


def scale(value_max: float, start: float, end: float) -> Scale:
    """Make a scale with about `TICKS` round ticks, whose highest is the value or beyond it."""
    rough = max(value_max, 1e-9) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return Scale(step * math.ceil(value_max / step - 1e-9) or step, step, start, end)


def svg(panels: Sequence[Panel]) -> str:
    """Return the panels as one picture."""
    rows = -(-len(panels) // COLUMNS)
    width, height = COLUMNS * PANEL_WIDTH, rows * PANEL_HEIGHT
    drawn = (
        f'<g transform="translate({number % COLUMNS * PANEL_WIDTH},{number // COLUMNS * PANEL_HEIGHT})">\n'
        + "\n".join(_panel(panel))
        + "\n</g>"
        for number, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>{escape('; '.join(panel.title for panel in panels))}</title>\n"
        f"<style>{_STYLE}</style>\n" + "\n".join(drawn) + "\n</svg>\n"
    )


def _panel(panel: Panel) -> Iterator[str]:
    every = [point for series in panel.series for point in series.points]
    across = scale(max(x for x, _ in every), LEFT, PANEL_WIDTH - RIGHT)
    up = scale(max(y for _, y in every), PANEL_HEIGHT - BOTTOM, TOP)
    yield _text(LEFT, 16, panel.title, "title")
    yield from _axes(panel, across, up)
    for kind, series in zip(_CLASSES, panel.series, strict=False):
        first, last = (max(0.0, series.line.at(x)) for x in (0.0, across.highest))
        yield (
            f'<line class="{kind}" x1="{across(0):.1f}" y1="{up(first):.1f}" x2="{across(across.highest):.1f}" '
            f'y2="{up(min(last, up.highest)):.1f}"/>'
        )
        for x, y in series.points:
            yield f'<circle class="{kind}" cx="{across(x):.1f}" cy="{up(y):.1f}" r="3"/>'
    if len(panel.series) > 1:
        for number, (kind, series) in enumerate(zip(_CLASSES, panel.series, strict=False)):
            yield _text(LEFT + 8, TOP + 14 + 14 * number, series.name, f"key {kind}")


def _axes(panel: Panel, across: Scale, up: Scale) -> Iterator[str]:
    for tick in up.ticks():
        yield f'<path class="grid" d="M{across.start:g} {up(tick):.1f}H{across.end:g}"/>'
        yield _text(LEFT - 6, up(tick) + 4, f"{tick:,g}", "", "end")
    for tick in across.ticks():
        yield _text(across(tick), PANEL_HEIGHT - BOTTOM + 16, f"{tick:,g}", "", "middle")
    yield f'<path class="axis" d="M{across.start:g} {up.end:g}V{up.start:g}H{across.end:g}"/>'
    yield _text((across.start + across.end) / 2, PANEL_HEIGHT - 8, panel.x_title, "", "middle")
    yield _text(4, TOP - 12, panel.y_title, "")


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
