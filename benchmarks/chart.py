"""A chart of ratios as SVG. Its colours follow the reader's light or dark theme.

It has a background of its own, since a page may be light where the system is dark.
"""

import math
from collections.abc import Sequence
from html import escape

from .measure import Row

WIDTH, LABELS, RIGHT = 1060, 530, 90
BAR, GAP, TOP, BOTTOM = 16, 8, 56, 34
_STYLE = """
text { font: 13px system-ui, "Liberation Sans", Arial, sans-serif; fill: #24292f; }
.quiet { fill: #57606a; font-size: 12px; }
.page { fill: #ffffff; }
.title { font-size: 16px; font-weight: 600; }
.faster { fill: #1a7f5a; } .slower { fill: #b35900; }
.grid { stroke: #8c959f; stroke-opacity: .35; } .one { stroke: #57606a; }
@media (prefers-color-scheme: dark) {
  .page { fill: #161b22; } text { fill: #e6edf3; } .quiet { fill: #9da7b1; }
  .faster { fill: #3fb98a; } .slower { fill: #e3913c; }
  .one { stroke: #9da7b1; }
}
"""


def draw(rows: Sequence[Row]) -> str:
    """Return the chart: for each comparison a bar that says how many times as fast it is here, on a logarithmic scale.

    Args:
        rows: The comparisons.
    """
    speeds = [row.speed for row in rows] or [1.0]
    low = min(0, math.floor(math.log2(min(speeds))))
    high = max(1, math.ceil(math.log2(max(speeds))))
    height = TOP + len(rows) * (BAR + GAP) + BOTTOM
    scale = (WIDTH - LABELS - RIGHT) / (high - low)

    def x(speed: float) -> float:
        return LABELS + (math.log2(speed) - low) * scale

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-label="How many times as fast as its peers, one bar for each comparison">',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>',
        '<text class="title" x="12" y="24">How many times as fast as the peer (longer is better)</text>',
    ]
    for power in range(low, high + 1):
        at, label = x(2.0**power), f"{2**power}×" if power >= 0 else f"1/{2**-power}×"
        kind = "one" if power == 0 else "grid"
        lines.append(f'<line class="{kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 8}" y2="{height - BOTTOM + 4}"/>')
        lines.append(f'<text class="quiet" x="{at:.1f}" y="{height - 12}" text-anchor="middle">{label}</text>')
    for index, row in enumerate(rows):
        y = TOP + index * (BAR + GAP)
        begin, end = sorted((x(1.0), x(row.speed)))
        kind = "faster" if row.speed >= 1 else "slower"
        where = {"sqlite": ", SQLite", "postgresql": ", PostgreSQL", "": ""}[row.database]
        label = escape(f"{row.name}{where} / {row.peer}")
        speed = f"{row.speed:.0f}" if row.speed >= 10 else f"{row.speed:.2g}"
        lines += [
            f'<text x="{LABELS - 10}" y="{y + BAR - 3}" text-anchor="end">{label}</text>',
            f'<rect class="{kind}" x="{begin:.1f}" y="{y}" width="{max(end - begin, 1):.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{end + 6:.1f}" y="{y + BAR - 3}">{speed}×</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
