"""Traces: a request's W3C context goes on to the engine; spans go where OpenTelemetry is set up.

Whoever sets `OTEL_EXPORTER_OTLP_ENDPOINT` gets a span for each request and one for each attempt at
an engine, with the names of OpenTelemetry's conventions for generative AI. They are sent by a
thread of the SDK; a collector that is slow or gone costs spans, never requests.
"""

import os
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from frontier.domain.errors import ConfigError
from frontier.gateway.apis.known import OPERATIONS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

    from frontier.gateway.routes import Target
    from frontier.gateway.wire.request import Request

# https://www.w3.org/TR/trace-context/: version, trace, parent, flags
_PARENT: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_STATE: Final = 512
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_FLUSH_MS: Final = 2000
_FIRST_FAILURE: Final = 500


def context_lines(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the header lines that pass a client's trace context on, none if it has none."""
    parent = headers.get(b"traceparent")
    if parent is None or not _PARENT.fullmatch(parent):
        return b""
    return b"traceparent: %b\r\n%b" % (parent, _state_line(headers))


def _state_line(headers: Mapping[bytes, bytes]) -> bytes:
    state = headers.get(b"tracestate", b"")
    if not state or len(state) > _LONGEST_STATE:
        return b""
    return b"tracestate: %b\r\n" % state


class Spans:
    """Makes spans of requests.

    Args:
        provider: Samples them and has them exported.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("frontier.gateway")
        self._propagator = TraceContextTextMapPropagator()

    def attempt(self, request: "Request", target: "Target") -> bytes:
        """Begin the span of an attempt at an engine; return the header lines that name it."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        self._end_attempt(request)
        if request.span is None:
            request.span = self._begin(request)
        attempt = self._tracer.start_span(
            f"{OPERATIONS[request.path].name} {target.name}",
            set_span_in_context(request.span),
            SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": OPERATIONS[request.path].name,
                "gen_ai.request.model": target.name,
                "gen_ai.provider.name": target.backend,
            },
        )
        request.attempt = attempt
        context = attempt.get_span_context()
        parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        return b"traceparent: %b\r\n%b" % (parent.encode(), _state_line(request.headers))

    def _begin(self, request: "Request") -> "Span":
        from opentelemetry.trace import SpanKind

        carrier = {
            name: request.headers[name.encode()].decode("latin-1")
            for name in ("traceparent", "tracestate")
            if name.encode() in request.headers
        }
        since_s = time.time() - (time.perf_counter() - request.started)
        return self._tracer.start_span(
            f"POST {request.path}",
            self._propagator.extract(carrier),
            SpanKind.SERVER,
            attributes={
                "http.request.method": "POST",
                "http.route": request.path,
                "frontier.request_id": request.id.decode("ascii"),
            },
            start_time=int(since_s * 1e9),
        )

    def finished(self, request: "Request") -> None:
        """End what spans *request* has; its answer is over."""
        span = request.span
        if span is None:
            return
        if request.attempt is not None and request.tokens is not None:
            request.attempt.set_attribute("gen_ai.usage.input_tokens", request.tokens[0])
            request.attempt.set_attribute("gen_ai.usage.output_tokens", request.tokens[1])
        if request.attempt is not None and request.first_at:
            first_s = request.first_at - request.started
            request.attempt.set_attribute("gen_ai.response.time_to_first_chunk", first_s)
        span.set_attribute("http.response.status_code", request.status)
        if request.status >= _FIRST_FAILURE:
            span.set_attribute("error.type", str(request.status))
        self._end_attempt(request)
        span.end()
        request.span = None

    def _end_attempt(self, request: "Request") -> None:
        if request.attempt is not None:
            request.attempt.end()
            request.attempt = None

    def close(self) -> None:
        """Send what waits, for two seconds at most."""
        self._provider.force_flush(_FLUSH_MS)


def open_spans(environ: Mapping[str, str] = os.environ) -> Spans | None:
    """Return what exports spans, None where no endpoint is set.

    Raises:
        ConfigError: an endpoint is set, but the extra ``otel`` is not installed, or the protocol
            is another than HTTP.
    """
    if not any(environ.get(name) for name in _ENDPOINTS) or _is_off(environ):
        return None
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        raise ConfigError(
            f"spans are exported by http/protobuf, not by {protocol}",
            hint="Unset OTEL_EXPORTER_OTLP_PROTOCOL, and name the collector's HTTP port (4318).",
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ConfigError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the extra `otel` is not installed",
            hint="uv tool install 'frontier-llm[otel]', or unset it.",
        ) from error
    return Spans(_provider(OTLPSpanExporter(timeout=_FLUSH_MS / 1000)))


def _is_off(environ: Mapping[str, str]) -> bool:
    is_disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return is_disabled or environ.get("OTEL_TRACES_EXPORTER") == "none"


def _provider(exporter: "SpanExporter") -> "TracerProvider":
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "frontier-gateway"}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    return provider
