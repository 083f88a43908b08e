"""OpenTelemetry metrics and spans of what this process does.

What all processes share is in the ledger: see :mod:`.collector`.  Attributes of metrics are names
of receivers and handlers and a word for the outcome: no ids, references or campaigns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from time import perf_counter
from typing import Final

from ..events import StatusEvent
from ..exceptions import GiveUp, RetryLater
from ..handling.handlers import Handler
from ..ledger import Recorded

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import (
        NoOpTracerProvider,
        ProxyTracerProvider,
        StatusCode,
        Tracer,
        TracerProvider,
    )
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "instrument() needs the API of OpenTelemetry: pip install 'flask_fd_whatsapp[otel]'",
        name=error.name,
    ) from error

SCOPE: Final = "flask_fd_whatsapp"

TIMES_A_SECOND: Final = 50
"""How many durations of an outcome, or of a handler, a process records at most."""

_LOOK_SECONDS: Final = 1.0
_NO_SPAN: Final = nullcontext()

Attributes = Mapping[str, str]


class _Counts:
    """A cheap counter: it is only read when the metrics are exported."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._counts: dict[tuple[str, ...], float] = {}
        self._lock = Lock()

    def add(self, *values: str, by: float = 1) -> None:
        with self._lock:
            self._counts[values] = self._counts.get(values, 0) + by

    def observe(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            counts = dict(self._counts)
        for values, count in counts.items():
            yield Observation(count, dict(zip(self._names, values, strict=True)))


class _Times:
    """A histogram of a limited number per second, since recording one costs a tenth of an event.

    Beyond the limit, only the first of each second are recorded.  Each outcome, or handler, has its
    own share, so that frequent ones leave room for rare ones.

    :param name: of the attribute that distinguishes them.
    """

    def __init__(self, histogram: metrics.Histogram, name: str) -> None:
        self._record = histogram.record
        self._name = name
        self._shares: dict[tuple[str, str], _Share] = {}

    def add(self, receiver: str, value: str, began: float, ended: float) -> None:
        share = self._shares.get((receiver, value))
        if share is None:
            share = _Share({"receiver": receiver, self._name: value})
            self._shares[receiver, value] = share
        if share.has_room(ended):
            self._record(ended - began, share.attributes)


class _Share:
    """What is left of a second's limit for durations with the same attributes."""

    __slots__ = ("_left", "_until", "attributes")

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = attributes
        self._left = 0
        self._until = 0.0

    def has_room(self, now: float) -> bool:
        """Whether to record a duration at *now*.  Racing threads may record a few more."""
        if now >= self._until:
            self._until, self._left = now + 1, TIMES_A_SECOND
        self._left -= 1
        return self._left >= 0


class OTelObserver:
    """Observes for OpenTelemetry."""

    def __init__(
        self,
        meter_provider: MeterProvider | None,
        tracer_provider: TracerProvider | None,
        *,
        times: bool,
    ) -> None:
        meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
        self._requests = _Counts("receiver", "outcome")
        self._failures = _Counts("receiver", "handler")
        self._swept = _Counts("receiver", "outcome")
        self._calls = _Counts("receiver", "method", "answer")
        self._waits = _Counts("receiver")
        self._reconciled = _Counts("receiver", "outcome")
        for name, counts, unit, text in (
            ("requests", self._requests, "1", "Requests, by answer."),
            ("handler.failures", self._failures, "1", "Calls of handlers that failed."),
            ("sweep.events", self._swept, "1", "Recorded events that were resumed, by result."),
            ("api.calls", self._calls, "1", "Calls to Freshdesk's API, by kind of answer."),
            ("api.wait", self._waits, "s", "How long calls to the API waited for the rate limit."),
            (
                "reconcile.messages",
                self._reconciled,
                "1",
                "Messages that Freshdesk was asked about, by outcome.",
            ),
        ):
            meter.create_observable_counter(
                f"fd_whatsapp.{name}", callbacks=[counts.observe], unit=unit, description=text
            )
        self._has_times = times
        if times:
            self._make_histograms(meter)
        self._tracer_provider = tracer_provider
        self._tracer: Tracer | None = None
        self._look_at = 0.0

    def _make_histograms(self, meter: metrics.Meter) -> None:
        self._request_times = _Times(
            meter.create_histogram(
                "fd_whatsapp.request.duration", unit="s", description="How long an answer took."
            ),
            "outcome",
        )
        self._handler_times = _Times(
            meter.create_histogram(
                "fd_whatsapp.handler.duration", unit="s", description="How long a handler took."
            ),
            "handler",
        )

    def answered(self, receiver: str, outcome: str, began: float, ended: float) -> None:
        """A request was answered; times are those of the performance counter."""
        self._requests.add(receiver, outcome)
        if self._has_times:
            self._request_times.add(receiver, outcome, began, ended)

    def swept(self, receiver: str, result: str) -> None:
        """A recorded event was resumed."""
        self._swept.add(receiver, result)

    def called_api(self, receiver: str, method: str, answer: str) -> None:
        """Freshdesk's API was called."""
        self._calls.add(receiver, method, answer)

    def waited_for_api(self, receiver: str, seconds: float) -> None:
        """A call to the API has waited for the rate limit."""
        self._waits.add(receiver, by=seconds)

    def reconciled(self, receiver: str, told: str) -> None:
        """Freshdesk was asked about a message, with this result."""
        self._reconciled.add(receiver, told)

    def handling(
        self, receiver: str, event: StatusEvent, recorded: Recorded
    ) -> AbstractContextManager[object]:
        """Context manager for the span of an attempt at an event, if there is one."""
        tracer = self._tracer or self._find_tracer()
        if tracer is None:
            return _NO_SPAN
        return tracer.start_as_current_span(
            "fd_whatsapp.handle",
            attributes={
                "fd_whatsapp.receiver": receiver,
                "fd_whatsapp.event_id": str(recorded.id),
                "fd_whatsapp.account_id": event.account_id,
                "fd_whatsapp.message_id": event.message_id,
                "fd_whatsapp.status": str(event.status),
                "fd_whatsapp.attempt": recorded.attempt or 0,
            },
            record_exception=False,
            set_status_on_exception=False,
        )

    def call(
        self, receiver: str, handler: Handler, run: Callable[[Handler], BaseException | None]
    ) -> BaseException | None:
        """Time a handler, in a span of its own if there is one.

        Only the type of its exception is recorded: the message may be about people.
        """
        tracer = self._tracer  # found by `handling`
        started = perf_counter()
        if tracer is None:
            error = run(handler)
        else:
            with tracer.start_as_current_span(
                "fd_whatsapp.handler",
                attributes={
                    "fd_whatsapp.handler": handler.name,
                    "fd_whatsapp.signal": handler.signal.name,
                },
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                error = run(handler)
                if error is not None:
                    span.set_attribute("error.type", type(error).__qualname__)
                    if not isinstance(error, RetryLater):
                        span.set_status(StatusCode.ERROR)
        if self._has_times:
            self._handler_times.add(receiver, handler.name, started, perf_counter())
        if error is not None and not isinstance(error, (RetryLater, GiveUp)):
            self._failures.add(receiver, handler.name)
        return error

    def _find_tracer(self) -> Tracer | None:
        """Return a tracer, once there is a real provider; checked once a second."""
        now = perf_counter()
        if now < self._look_at:
            return None
        self._look_at = now + _LOOK_SECONDS
        provider = self._tracer_provider or trace.get_tracer_provider()
        if isinstance(provider, (ProxyTracerProvider, NoOpTracerProvider)):
            return None
        self._tracer = provider.get_tracer(SCOPE)
        return self._tracer
