"""The security tests for every URL that accepts events: one class, run against each of them."""

from __future__ import annotations

import io
import json
import logging
from typing import Any, NamedTuple

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from .conftest import PAYLOADS, MakeApp

NEW, OLD, SECOND = "Bearer n3w-s3cret", "Bearer 0ld-s3cret", "s3cond-s3cret"
SECRETS = (NEW, OLD, SECOND)
HEADERS = {"Authorization": [NEW, OLD], "X-Second": SECOND}
BODY = (PAYLOADS / "queued.json").read_bytes()

Seen = list[tuple[str, dict[str, Any]]]
Sent = list[tuple[str, str]]


class Endpoint(NamedTuple):
    """A URL that accepts events, and its receiver."""

    app: Flask
    url: str
    receiver: str = "fd_whatsapp"

    @property
    def ledger(self) -> Any:
        return self.app.extensions["fd_whatsapp"][self.receiver].ledger

    def send(self, headers: Sent, method: str = "POST", **options: Any) -> TestResponse:
        options.setdefault("data", BODY)
        return self.app.test_client().open(self.url, method=method, headers=headers, **options)


class UnreadableBody(io.RawIOBase):
    """A body that must not be read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise AssertionError("The body was read before the request was authenticated.")


def credentials(authorization: str | None = NEW, second: str | None = SECOND) -> Sent:
    given = (("Authorization", authorization), ("X-Second", second))
    return [(name, value) for name, value in given if value is not None]


WRONG: dict[str, Sent] = {
    "none at all": [],
    "one missing": credentials(second=None),
    "the other missing": credentials(authorization=None),
    "one wrong": credentials(second="wrong"),
    "the other wrong": credentials("Bearer wrong"),
    "exchanged": credentials(SECOND, NEW),
    "empty": credentials(""),
    "the scheme alone": credentials("Bearer"),
    "without the scheme": credentials(NEW.removeprefix("Bearer ")),
    "cut off": credentials(NEW[:-1]),
    "one letter more": credentials(NEW + "x"),
    "other case": credentials(NEW.swapcase()),
    "inner space doubled": credentials(NEW.replace(" ", "  ")),
    "quoted": credentials(f'"{NEW}"'),
    "doubled": [*credentials(), ("Authorization", NEW)],
    "doubled, wrong first": [("Authorization", "Bearer wrong"), *credentials()],
    "both entries of a list": [*credentials(), ("Authorization", OLD)],
    "100 kB": credentials("Bearer " + 100_000 * "x"),
    "100 kB that begin right": credentials(NEW + 100_000 * "x"),
    "Latin-1": credentials("Bearer s\xe9cret"),
    "in the query's manner": credentials(NEW.replace(" ", "%20")),
}

NOT_HTTP = {
    "beyond Latin-1": "Bearer \u20ac",
    "full-width letters": "\uff22earer n3w-s3cret",
    "lone surrogate": NEW + "\udcff",
    "NUL": NEW + "\0",
}


class EndpointSecurity:
    """Without all configured headers nothing gets in, and nothing gets out.

    A subclass gives the endpoint, which has to be configured with :data:`HEADERS`.
    """

    def make_endpoint(self, make_app: MakeApp) -> Endpoint:
        raise NotImplementedError

    @pytest.fixture
    def endpoint(self, make_app: MakeApp) -> Endpoint:
        return self.make_endpoint(make_app)

    @pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
    def test_wrong_credentials(self, endpoint: Endpoint, headers: Sent, signals_seen: Seen) -> None:
        """Headers that are not exactly the configured ones are a 401 and change nothing."""
        self.assert_refused(endpoint, endpoint.send(headers), signals_seen)

    @pytest.mark.parametrize("value", NOT_HTTP.values(), ids=NOT_HTTP)
    def test_text_that_is_no_http(self, endpoint: Endpoint, value: str, signals_seen: Seen) -> None:
        """Text that a server should not let through is a 401 too, never a 500."""
        answer = endpoint.send(credentials(), environ_overrides={"HTTP_AUTHORIZATION": value})
        self.assert_refused(endpoint, answer, signals_seen)

    def assert_refused(self, endpoint: Endpoint, answer: TestResponse, seen: Seen) -> None:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"]
        assert answer.mimetype == "application/problem+json"
        assert set(answer.get_json(force=True)) == {"type", "title", "status", "detail"}
        rejected = {"reason": "unauthenticated", "status_code": 401, "errors": {}}
        assert seen == [("webhook_rejected", rejected)]
        assert endpoint.ledger.message(json.loads(BODY)["data"]["message_id"]) is None
        assert endpoint.ledger.quarantined() == []

    @pytest.mark.parametrize("authorization", [NEW, OLD])
    def test_right_credentials(self, endpoint: Endpoint, authorization: str) -> None:
        """Each entry of a list is accepted, so that a token can be rotated."""
        answer = endpoint.send(credentials(authorization))
        assert (answer.status_code, answer.get_json()) == (200, {"result": "accepted"})

    def test_header_names_have_no_case(self, endpoint: Endpoint) -> None:
        """The case of a header's name does not matter."""
        answer = endpoint.send([(name.upper(), value) for name, value in credentials()])
        assert answer.status_code == 200

    def test_credentials_count_in_headers_alone(self, endpoint: Endpoint) -> None:
        """Credentials in the query, a cookie or the body do not count."""
        given = dict(credentials())
        body = json.dumps(json.loads(BODY) | given).encode()
        answer = endpoint.send([("Cookie", f"X-Second={SECOND}")], query_string=given, data=body)
        assert answer.status_code == 401

    @pytest.mark.parametrize("length", [str(len(BODY)), "10000000", "0", "-1", "x", None])
    def test_body_of_a_stranger_is_not_read(self, endpoint: Endpoint, length: str | None) -> None:
        """A request is authenticated before its body is read, whatever length it states."""
        environ = {"wsgi.input": UnreadableBody(), "wsgi.input_terminated": True}
        if length is None:
            environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        else:
            environ["CONTENT_LENGTH"] = length
        answer = endpoint.send([], data=b"", environ_overrides=environ)
        assert answer.status_code == 401

    def test_every_refusal_is_the_same(self, endpoint: Endpoint) -> None:
        """The answer does not reveal what was wrong, or whether the body would have been valid."""
        bodies = (BODY, b"", b"{", 70_000 * b" ")
        answers = {
            (answer.data, tuple(sorted(answer.headers)))
            for headers in WRONG.values()
            for body in bodies
            for answer in [endpoint.send(headers, data=body)]
        }
        assert len(answers) == 1

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("headers", [[], credentials()], ids=["stranger", "Freshdesk"])
    def test_probe_records_nothing(self, endpoint: Endpoint, method: str, headers: Sent) -> None:
        """A probe gets an empty 204 with or without credentials, and nothing is recorded."""
        answer = endpoint.send(headers, method, data=b"")
        assert (answer.status_code, answer.data) == (204, b"")
        assert endpoint.ledger.quarantined() == []

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "QUERY"])
    def test_other_methods(self, endpoint: Endpoint, method: str) -> None:
        """Every other method gets Flask's own 405, even with credentials."""
        answer = endpoint.send(credentials(), method)
        assert answer.status_code == 405
        assert {"GET", "HEAD", "POST"} <= set(answer.headers["Allow"].split(", "))

    def test_method_override_is_none(self, endpoint: Endpoint) -> None:
        """A method-override header does not bypass authentication."""
        assert endpoint.send([("X-HTTP-Method-Override", "GET")]).status_code == 401

    def test_nothing_holds_a_configured_value(
        self, endpoint: Endpoint, signals_seen: Seen, caplog: pytest.LogCaptureFixture
    ) -> None:
        """No answer, log line, signal, repr or ledger entry holds a configured value."""
        caplog.set_level(logging.DEBUG)
        said: list[object] = [endpoint.app.extensions, endpoint.app.blueprints]
        receiver = endpoint.app.extensions["fd_whatsapp"][endpoint.receiver]
        said += [receiver, receiver.settings, receiver.authenticator, endpoint.ledger]
        for headers in (*WRONG.values(), credentials(), credentials(OLD)):
            for body in (BODY, b"", b"{", b"[]", b"{}", 70_000 * b" "):
                answer = endpoint.send(headers, data=body)
                said += [answer.status, answer.headers, answer.data]
        said += [endpoint.ledger.quarantined(), endpoint.ledger.rejections.last()]
        said += [signals_seen, caplog.text]
        assert [secret for secret in SECRETS if secret in "\n".join(map(repr, said))] == []
