"""The comparison as a picture: bars on a logarithmic scale, plain SVG."""

import math
from html import escape

PANELS = (
    ("CPU per request, ms (64 clients)", "plain c=64", "cpu_ms"),
    ("CPU per 100 000 paced chunks, s", "paced 64", "cpu_s_per_100k"),
    ("Added to the median, ms (1 client)", "plain c=1", "added_p50_ms"),
    ("Memory with 64 streams, MiB", "", "busy_mib"),
)
_WIDTH, _LEFT, _BAR, _GAP, _HEAD = 720, 110, 16, 6, 34


def plot(report: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return an SVG document with a panel for each figure of `PANELS`."""
    parts: list[str] = []
    top = 0
    for title, shape, figure in PANELS:
        values = {
            name: shapes[shape][figure]
            for name, shapes in report.items()
            if figure in shapes.get(shape, {})
        }
        parts.append(_panel(title, values, top))
        top += _HEAD + len(values) * (_BAR + _GAP) + 12
    style = "<style>text{font:12px sans-serif}.t{font-weight:bold}</style>"
    size = f'width="{_WIDTH}" height="{top}" viewBox="0 0 {_WIDTH} {top}"'
    body = f'<rect width="100%" height="100%" fill="#fff"/>{style}{"".join(parts)}'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{body}</svg>\n'


def _panel(title: str, values: dict[str, float], top: int) -> str:
    floor = 0.3 * min((max(v, 0.001) for v in values.values()), default=1.0)
    span = math.log(max(values.values(), default=1.0) / floor) or 1.0
    bars = [f'<text class="t" x="8" y="{top + 20}">{escape(title)}</text>']
    for i, (name, value) in enumerate(values.items()):
        y = top + _HEAD + i * (_BAR + _GAP)
        width = max(2.0, (_WIDTH - _LEFT - 90) * math.log(max(value, floor) / floor) / span)
        colour = "#2563eb" if name in ("frontier", "interpreted") else "#9ca3af"
        bars.append(
            f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>'
            f'<text x="{_LEFT + width + 6:.1f}" y="{y + 12}">{value:.3g}</text>'
        )
    return "".join(bars)
