"""Traces by OpenTelemetry, for operators who ask for them: how long each step of a request took. Off unless `traces_url` names a collector.

A span holds the route, the method, the status, the request's name, and the client and service of the settings. It never holds a path, a
query, a header, a body, an id of a patient or the words of an error: OpenTelemetry's own instrumentation would send most of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import metadata
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, current_app, g, request

from cds_service.config import Settings
from cds_service.errors import ConfigurationError
from cds_service.logs import correlation
from cds_service.outgoing import Outgoing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

_KEY = "marginalia.traces"
_TOLD = ("client", "service", "notesRead", "notesSkipped", "cards")  # of what the log line of a request tells
_PARENT = "traceparent"  # W3C Trace Context: a proxy in front may have begun the trace


class Traces:
    """Makes spans and hands them to a processor."""

    def __init__(self, processor: SpanProcessor) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        named = {"service.name": "marginalia", "service.version": metadata.version("marginalia")}
        self._provider = TracerProvider(resource=Resource(named), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("marginalia")

    def begin(self, method: str, headers: dict[str, str]) -> Any:
        """Begin the span of a request."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract(headers)
        return self._tracer.start_span(method, context=parent, kind=SpanKind.SERVER)

    @contextmanager
    def step(self, name: str, span: Any) -> Iterator[None]:
        """Time a step of a request whose span is given."""
        from opentelemetry.trace import StatusCode, set_span_in_context

        inner = self._tracer.start_span(name, context=set_span_in_context(span))
        try:
            yield
        except Exception as error:
            inner.set_status(StatusCode.ERROR)
            inner.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            inner.end()

    def close(self) -> None:
        """Send what waits to be sent."""
        self._provider.shutdown()


def traces_of(settings: Settings, outgoing: Outgoing) -> Traces | None:
    """Return the traces that the settings ask for; None where they ask for none.

    Raises:
        ConfigurationError: the packages of the extra `telemetry` are missing.
    """
    if not settings.traces_url:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError(
            "The setting 'traces_url' is given, and OpenTelemetry isn't installed.", "Install marginalia[telemetry].", field="traces_url"
        ) from error
    session = outgoing.to_collector(settings.traces_url)
    exporter = OTLPSpanExporter(endpoint=settings.traces_url, session=session, certificate_file=settings.ca_file or None)
    return Traces(BatchSpanProcessor(exporter))


def trace(app: Flask, traces: Traces | None) -> None:
    """Have each request of the app traced; without traces nothing is done."""
    app.extensions[_KEY] = traces
    if traces is None:
        return

    @app.before_request
    def begin() -> None:
        g.span = traces.begin(request.method, {_PARENT: request.headers.get(_PARENT, "")})

    @app.after_request
    def end(response: Response) -> Response:
        span = g.pop("span", None)
        if span is not None:
            _finish(span, response.status_code)
        return response

    @app.teardown_request
    def give_up(_error: BaseException | None) -> None:
        span = g.pop("span", None)
        if span is not None:
            span.end()


def step(name: str) -> AbstractContextManager[None]:
    """Time a step of the request in progress, where it is traced."""
    traces: Traces | None = current_app.extensions.get(_KEY)
    span = g.get("span")
    return nullcontext() if traces is None or span is None else traces.step(name, span)


def close_traces(app: Flask) -> None:
    """Send what waits to be sent, at the end of the process."""
    traces: Traces | None = app.extensions.get(_KEY)
    if traces is not None:
        traces.close()


def _finish(span: Any, status: int) -> None:
    from opentelemetry.trace import StatusCode

    route = request.url_rule.rule if request.url_rule else "(none)"
    span.update_name(f"{request.method} {route}")
    told: dict[str, Any] = g.get("told", {})
    attributes: dict[str, Any] = {"http.request.method": request.method, "http.route": route, "http.response.status_code": status}
    attributes |= {f"marginalia.{name}": told[name] for name in _TOLD if name in told}
    span.set_attributes(attributes | {"marginalia.request": correlation.get()})
    if status >= 500:
        span.set_status(StatusCode.ERROR)
    span.end()
