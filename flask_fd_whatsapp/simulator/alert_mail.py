"""The alert e-mail: one for the first delivery failure of a day, to the form's addresses."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from email.utils import format_datetime

from ..log_fields import get_logger
from .clock import moment_of

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The server that e-mails are submitted to.

    :param sender: their ``From``.
    :param timeout: real seconds.
    """

    host: str = "127.0.0.1"
    port: int = 25
    sender: str = "webhooks@freshdesk-simulator.example"
    timeout: float = 10

    def send(self, mail: EmailMessage) -> None:
        """Submit an e-mail.

        :raises OSError: if the server cannot be reached, or refuses it.
        """
        with smtplib.SMTP(self.host, self.port, timeout=self.timeout) as server:
            server.send_message(mail)


class Alerts:
    """Sends at most one alert e-mail a day (UTC, on the simulator's clock).

    :param server: ``None`` to send none.
    """

    def __init__(self, server: MailServer | None) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._last_day: date | None = None

    def failed(self, now: int, addresses: Sequence[str], url: str, problem: str) -> bool:
        """Report a delivery that was given up; return whether an e-mail was sent.

        :param now: the simulated time, in nanoseconds since 1970.
        """
        if self._server is None or not addresses:
            return False
        with self._lock:
            if self._last_day is not None and moment_of(now).date() <= self._last_day:
                return False
            try:
                self._server.send(self._mail(self._server.sender, now, addresses, url, problem))
            except OSError as error:
                logger.error("The alert e-mail could not be sent: %s", error)
                return False
            self._last_day = moment_of(now).date()
            return True

    @staticmethod
    def _mail(
        sender: str, now: int, addresses: Sequence[str], url: str, problem: str
    ) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = sender
        mail["To"] = ", ".join(addresses)
        mail["Date"] = format_datetime(moment_of(now))
        mail["Subject"] = "WhatsApp webhook: delivery failed"
        mail.set_content(
            f"An event could not be delivered to {url} in any of its attempts.\n\n"
            f"The last one failed: {problem}\n\n"
            "Further failures today will not be reported.\n"
        )
        return mail
