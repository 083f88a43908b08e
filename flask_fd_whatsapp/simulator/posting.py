"""One attempt to post an event, and what follows from its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from ..exceptions import FreshdeskWhatsAppError
from .campaign_report import Report
from .clock import Clock
from .posts import Fate, Manner, Post
from .retry_schedule import Retries
from .transport import Answer, NoAnswer, Outgoing
from .webhook import Webhook

OLD_TOKEN = "Bearer of-another-day"  # noqa: S105 - not a real one


class Unreachable(FreshdeskWhatsAppError):
    """Nothing listens at the destination."""


class Poster:
    """Posts events; used by several threads at once.

    :param given_up: called with each post that is given up.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        webhook: Webhook,
        retries: Retries,
        report: Report,
        given_up: Callable[[Post], None],
    ) -> None:
        self._clock = clock
        self._webhook = webhook
        self._retries = retries
        self._report = report
        self._given_up = given_up
        self._lock = threading.Lock()
        self._failures = 0

    def post(self, post: Post) -> int | None:
        """Post once; return when to try again, in nanoseconds since 1970, or ``None`` for never.

        :raises Unreachable: as :class:`Retries` says.
        """
        headers = self._webhook.headers()
        if headers is None:
            post.fate = Fate.SPOILT
            self._report.settled(post, "withheld")
            return None
        if post.tries:
            self._report.count(tried_again=1)
        answer = self._send(post, headers)
        if answer is not None and answer.is_success:
            post.fate = Fate.ACKNOWLEDGED
            self._report.settled(post, "acknowledged")
            return None
        if post.is_garbled:
            post.fate = Fate.SPOILT
            return None
        retry_after = None if answer is None else answer.retry_after
        due = self._retries.due_again(post.tries, retry_after, self._clock)
        if due is None:
            post.fate = Fate.GIVEN_UP
            self._report.settled(post, "given_up")
            self._given_up(post)
        return due

    def _send(self, post: Post, headers: Mapping[str, str]) -> Answer | None:
        request = self._request(post, headers)
        post.tries += 1
        began = time.perf_counter()
        try:
            answer = self._webhook.transport().send(request)
        except NoAnswer as error:
            post.problem = f"{error.kind}: {error}"
            self._report.answered(error.kind, None)
            self._note_unreachable(error)
            return None
        self._report.answered(str(answer.status), time.perf_counter() - began)
        if not answer.is_success:
            post.problem = f"answered with {answer.status}"
        if answer.redirects_to is not None:
            post.problem += f", a redirect to {answer.redirects_to}"
            self._report.redirected(answer.redirects_to)
        return answer

    def _request(self, post: Post, headers: Mapping[str, str]) -> Outgoing:
        is_first = not post.tries
        sent = dict(headers)
        if post.wrong_token and is_first:
            sent = dict.fromkeys(sent, OLD_TOKEN)
        if post.content_type is not None:
            sent["Content-Type"] = post.content_type
        renews = self._retries.renews_event_time and not is_first
        return Outgoing(
            headers=sent,
            body=post.body(self._clock.now() if renews else None),
            manner=post.manner if is_first else Manner.PLAIN,
        )

    def _note_unreachable(self, error: NoAnswer) -> None:
        limit = self._retries.stop_if_unreachable
        if limit is None or self._report.has_answers or error.kind == "cut":
            return
        with self._lock:
            self._failures += 1
            is_enough = self._failures >= limit
        if is_enough:
            raise Unreachable(
                f"Nobody answers at {self._webhook.form['destination_url']}, after "
                f"{self._failures} attempts: {error}"
            ) from error
