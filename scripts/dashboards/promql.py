"""Expressions that all dashboards write alike."""

from typing import Final

RATE: Final = "$__rate_interval"
RANGE: Final = "$__range"
BOTH: Final = 'model=~"$model",backend=~"$backend"'
MODEL: Final = 'model=~"$model"'
ASKED: Final = 'gen_ai_request_model=~"$model"'  # as OpenTelemetry calls the model
BACKEND: Final = 'backend=~"$backend"'


def total(metric: str, where: str = "", *, by: str = "") -> str:
    """Return the sum of a gauge."""
    return f"sum{_by(by)}({metric}{_in(where)})"


def rate(metric: str, where: str = "", *, by: str = "", window: str = RATE) -> str:
    """Return how much a counter grows, per second."""
    return f"sum{_by(by)}(rate({metric}{_in(where)}[{window}]))"


def growth(metric: str, where: str = "", *, by: str = "", window: str = RANGE) -> str:
    """Return by how much a counter grew."""
    return f"sum{_by(by)}(increase({metric}{_in(where)}[{window}]))"


def quantile(q: float, metric: str, where: str = "", *, by: str = "", window: str = RATE) -> str:
    """Return a quantile of a histogram, *metric* without ``_bucket``."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {rate(metric + '_bucket', where, by=labels, window=window)})"


def within(metric: str, bound_s: str, where: str = "") -> str:
    """Return the share of a histogram that is at most *bound_s*, which is one of its buckets."""
    bucket = f'{where},le="{bound_s}"' if where else f'le="{bound_s}"'
    return f"{rate(metric + '_bucket', bucket)} / {rate(metric + '_count', where)}"


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""


def _in(where: str) -> str:
    return f"{{{where}}}" if where else ""
