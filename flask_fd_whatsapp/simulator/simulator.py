"""The stand-in for Freshdesk: an account with a webhook form, agents and a clock."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

from .account import Account
from .alert_mail import Alerts, MailServer
from .campaign_report import Report
from .clock import SECOND, Clock
from .delivery import Delivery
from .faults import Fault, chosen
from .faults.fault_registry import PROBE_ON_SAVE
from .message_factory import MessageMaker
from .posting import Poster
from .posts import Post
from .retry_schedule import Retries
from .save_probes import send_probes
from .simulated_message import SimulatedMessage
from .webhook import MakeTransport, Webhook

API_PACE: Final = 60 * SECOND // 700
"""Interval between messages: 700 API calls a minute, the limit of Freshdesk's largest plan."""


class FreshdeskSimulator:
    """Sends messages and posts their events to the destination of the saved form.

    The same seed, faults, start of the clock and messages yield the same events, byte for byte,
    as long as the messages are sent before the clock runs, or with ``at``.

    :param clock: by default driven, at a day per second, from a fixed start.
    :param faults: names of faults, ``all``, or a custom :class:`Fault`.
    :param concurrency: how many events are posted at once.
    :param rate: the maximum number of posts per real second.
    :param mail_server: where alert e-mails are submitted; ``None`` to send none.
    :param allow_http: also accept an HTTP destination on this machine (loopback).
    :param make_transport: creates one for the destination's URL; ``None`` for HTTP.
    :param gateway_headers: added by something between Freshdesk and the receiver.
    :raises FreshdeskWhatsAppError: if it needs an extra that is not installed.
    :raises UnknownFault: for an unknown fault, with the list.
    """

    def __init__(
        self,
        *,
        account: Account | None = None,
        clock: Clock | None = None,
        seed: int | str = 0,
        faults: Iterable[str | Fault] = (),
        retries: Retries | None = None,
        concurrency: int = 8,
        rate: float | None = None,
        mail_server: MailServer | None = None,
        allow_http: bool = False,
        make_transport: MakeTransport | None = None,
        gateway_headers: Mapping[str, str] | None = None,
    ) -> None:
        self.account = account or Account()
        self.clock = clock or Clock()
        self.faults = chosen(faults)
        self.report = Report()
        self.messages: dict[str, SimulatedMessage] = {}
        retries = retries or Retries()
        self._maker = MessageMaker(self.account, seed, self.faults, self.clock.now)
        self._webhook = Webhook(
            make_transport or _over_http(retries.timeout, concurrency),
            allow_http=allow_http,
            gateway_headers=gateway_headers,
        )
        self._alerts = Alerts(mail_server)
        poster = Poster(
            clock=self.clock,
            webhook=self._webhook,
            retries=retries,
            report=self.report,
            given_up=self._alert,
        )
        self._delivery = Delivery(self.clock, poster.post, concurrency=concurrency, rate=rate)
        self._lock = threading.Lock()
        self._last_sent = self.clock.begin - API_PACE
        self._thread: threading.Thread | None = None
        self._problem: BaseException | None = None

    def save(
        self,
        destination_url: str,
        headers: Mapping[str, str] | None = None,
        alert_emails: Iterable[str] = (),
    ) -> None:
        """Validate and store the form, without activating the webhook.

        :raises marshmallow.ValidationError: for what Freshdesk's form refuses.
        """
        self._webhook.save(destination_url, headers or {}, alert_emails)
        if any(fault.name == PROBE_ON_SAVE for fault in self.faults):
            send_probes(self._webhook.transport(), self._webhook.all_headers(), self.report)

    @property
    def form(self) -> dict[str, Any]:
        """The saved form.

        :raises FormNotSaved: if there is none.
        """
        return self._webhook.form

    @property
    def is_enabled(self) -> bool:
        """Whether the toggle is on."""
        return self._webhook.is_enabled

    def enable(self) -> None:
        """Switch the toggle on: what comes due from now on is posted.

        :raises FormNotSaved: if there is nothing to enable.
        """
        self._webhook.enable()

    def disable(self) -> None:
        """Switch the toggle off: what comes due while it is off is never posted."""
        self._webhook.is_enabled = False

    def send(
        self,
        external_reference_id: str | None = None,
        *,
        to: str = "+919876543210",
        at: int | None = None,
    ) -> SimulatedMessage:
        """Send a message; its events are posted by :meth:`run`, or in the background.

        :param to: the recipient.
        :param at: when, in nanoseconds since 1970; ``None`` for now, at the API's pace.
        """
        with self._lock:
            if at is None:
                at = max(self.clock.now(), self._last_sent + API_PACE)
            self._last_sent = max(self._last_sent, at)
            message = self._maker.make(len(self.messages), at, external_reference_id, to)
            self.messages[message.id] = message
        self.report.made(message.posts)
        for post in message.posts:
            self._delivery.add(post)
        return message

    def run(self) -> Report:
        """Post until every event is acknowledged or given up.

        :raises FormNotSaved: if there is nowhere to post to.
        :raises Unreachable: as :class:`Retries` says.
        """
        _ = self.form
        try:
            self._delivery.run()
        finally:
            self._webhook.close()
        return self.report

    def __enter__(self) -> Self:
        """Post in the background until the end of the ``with`` block."""
        _ = self.form
        self._thread = threading.Thread(target=self._run_in_background, name="freshdesk")
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Wait for the posts in flight; the next run posts what is left.

        :raises Unreachable: as :class:`Retries` says.
        """
        self._delivery.stop()
        if self._thread is not None:
            self._thread.join()
        self._delivery.rearm()
        self._webhook.close()
        problem, self._problem = self._problem, None
        if problem is not None and error is None:
            raise problem

    def _run_in_background(self) -> None:
        try:
            self._delivery.run(forever=True)
        except BaseException as problem:
            self._problem = problem

    def _alert(self, post: Post) -> None:
        form = self.form
        if self._alerts.failed(
            self.clock.now(), form["alert_emails"], form["destination_url"], post.problem
        ):
            self.report.count(alerts=1)


def _over_http(timeout: float, connections: int) -> MakeTransport:
    from .http_transport import HTTPTransport  # needs an extra

    return lambda url: HTTPTransport(url, timeout, connections)
