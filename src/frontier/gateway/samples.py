"""What was counted, as samples: label values and a number, or a histogram."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

from frontier.gateway.apis.known import OPERATIONS
from frontier.gateway.exposition import Labels
from frontier.gateway.histogram import Histogram, merged
from frontier.gateway.metrics import DIRECTIONS, Answers, Metrics

_BOOL: Final = ("false", "true")
# Under OpenTelemetry's names it exists before its first request. All operations of all models
# would double what is scraped, most of it zeros for ever.
_USUAL: Final = "chat"
_PROVIDERS: Final = {"llamacpp": "llama.cpp", "mistral": "mistral.rs"}

_Name = TypeVar("_Name", bound=str)

Samples = Iterator[tuple[Labels, float]]
Histograms = Iterator[tuple[Labels, Histogram]]


def by_one(values: Mapping[_Name, float]) -> Samples:
    """Yield samples with one label."""
    return (((name,), value) for name, value in values.items())


def requests(metrics: Metrics) -> Samples:
    """Yield requests by how they ended."""
    for (path, model, backend, stream), series in metrics.requests.items():
        operation = OPERATIONS[path].name
        for code, count in series.codes.items():
            yield (operation, model, backend, path, str(code), _BOOL[stream]), count


def durations(metrics: Metrics) -> Histograms:
    """Yield how long requests took."""
    for (*labels, stream), found in metrics.durations.items():
        yield (*labels, _BOOL[stream]), found


def first_tokens(metrics: Metrics) -> Histograms:
    """Yield the times of first tokens by model and engine; none for what answers no stream."""
    for labels, found in _merged(((m, b), h) for (_, m, b), h in metrics.first_tokens.items()):
        if labels in metrics.places or any(found.buckets):
            yield labels, found


def tokens(metrics: Metrics) -> Samples:
    """Yield tokens by direction."""
    for labels, counts in metrics.tokens.items():
        for direction, count in zip(DIRECTIONS, counts, strict=True):
            yield (*labels, direction), count


def genai_durations(metrics: Metrics) -> Histograms:
    """Yield how long requests took, under OpenTelemetry's labels."""
    found = (((o, m), h) for (o, m, _, _), h in metrics.durations.items())
    return _genai(metrics, _merged(found))


def genai_first_tokens(metrics: Metrics) -> Histograms:
    """Yield the times of first tokens, under OpenTelemetry's labels."""
    found = (((o, m), h) for (o, m, _), h in metrics.first_tokens.items())
    return _genai(metrics, _merged(found))


def genai_per_token(metrics: Metrics) -> Histograms:
    """Yield the times between tokens, under OpenTelemetry's labels."""
    return _genai(metrics, ((k, a.per_token) for k, a in metrics.answers.items()))


def genai_work(metrics: Metrics) -> Histograms:
    """Yield how long engines took, under OpenTelemetry's labels."""
    return _genai(metrics, ((k, a.work) for k, a in metrics.answers.items()))


def genai_tokens(metrics: Metrics) -> Histograms:
    """Yield tokens per request, under OpenTelemetry's labels."""
    for kind, of in (("input", _inputs), ("output", _outputs)):
        for labels, found in _genai(metrics, ((k, of(a)) for k, a in metrics.answers.items())):
            yield (*labels, kind), found


def _inputs(answers: Answers) -> Histogram:
    return answers.inputs


def _outputs(answers: Answers) -> Histogram:
    return answers.outputs


def _genai(metrics: Metrics, found: Iterable[tuple[tuple[str, ...], Histogram]]) -> Histograms:
    """Yield those of configured models, each with its engine's name."""
    for (operation, model), histogram in found:
        kind = metrics.kinds.get(model)
        if kind and (operation == _USUAL or any(histogram.buckets)):
            yield (operation, _PROVIDERS.get(kind, kind), model), histogram


def _merged(found: Iterable[tuple[Labels, Histogram]]) -> Histograms:
    """Yield one histogram for each set of labels."""
    groups: dict[Labels, list[Histogram]] = {}
    for labels, histogram in found:
        groups.setdefault(labels, []).append(histogram)
    return ((labels, merged(group)) for labels, group in groups.items())
