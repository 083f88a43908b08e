"""``instrument(app)``: observes with OpenTelemetry what the receivers do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from flask import Flask

from ..exceptions import ConfigurationError
from ..ledger.context import EXTENSION
from ..receiving.receiver import Receiver
from .otel_observer import OTelObserver

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_DONE: Final = "fd_whatsapp_instrumented"


def instrument(
    app: Flask,
    *,
    meter_provider: MeterProvider | None = None,
    tracer_provider: TracerProvider | None = None,
    times: bool = True,
) -> None:
    """Count, time and trace what the receivers of *app* do in this process.

    Call it once, after the blueprints are registered.  Spans are only created once there is a
    tracer provider that uses them.

    :param meter_provider: ``None`` for the global one, which may be set later.
    :param tracer_provider: likewise.
    :param times: whether to record histograms of requests and handlers' calls, of at most
        :data:`TIMES_A_SECOND` of each.
    :raises ConfigurationError: if no blueprint is registered yet.
    """
    receivers: Mapping[str, Receiver] = app.extensions.get(EXTENSION, {})
    if not receivers:
        raise ConfigurationError(
            "instrument(app): no FreshdeskWhatsApp blueprint is registered on this application. "
            "Call it after app.register_blueprint(...)."
        )
    if _DONE in app.extensions:
        return
    app.extensions[_DONE] = True
    observer = OTelObserver(meter_provider, tracer_provider, times=times)
    for name, receiver in receivers.items():
        receiver.observer = observer
        endpoint = f"{name}.receive"
        app.view_functions[endpoint] = _timed(app.view_functions[endpoint], name, observer)


def _timed(view: Callable[..., Any], receiver: str, observer: OTelObserver) -> Callable[..., Any]:
    @wraps(view)
    def receive(**arguments: Any) -> Any:
        started = perf_counter()
        answer = view(**arguments)
        observer.answered(receiver, answer.result.label, started, perf_counter())
        return answer

    return receive
