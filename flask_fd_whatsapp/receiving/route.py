"""The route: authenticates a request, reads its body, and answers."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Response, request
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from .account_lookup import AccountsUnavailable
from .auth import environ_key
from .receiver import Receiver
from .request_body import BodyNotHandedOver, header_text, read_body
from .responses import UNAVAILABLE, Result, to_response

RULE = "/whatsapp"
ACCOUNTS_RULE = f"/<account>{RULE}"


def add_routes(state: BlueprintSetupState, receiver: Receiver) -> None:
    """Add the views, with separate functions for each registration."""
    data_headers = [(name, environ_key(name)) for name in receiver.settings.data_headers]
    accounts = receiver.accounts

    def receive() -> Response:
        return _receive(receiver, data_headers)

    def receive_for(account: str) -> Response:
        assert accounts is not None
        try:
            known = accounts.find(account)
        except AccountsUnavailable:
            return to_response(UNAVAILABLE)
        return _receive(known or accounts.stranger, data_headers)

    def probe(account: str = "") -> Response:
        return Response(status=204)

    rule, view = (RULE, receive) if accounts is None else (ACCOUNTS_RULE, receive_for)
    state.add_url_rule(rule, "receive", view, methods=["POST"], strict_slashes=False)
    state.add_url_rule(rule, "probe", probe, methods=["GET"], strict_slashes=False)


def _receive(receiver: Receiver, data_headers: Iterable[tuple[str, str]]) -> Response:
    """Answer the current request."""
    current = request._get_current_object()  # type: ignore[attr-defined]  # a proxy is slow
    environ, authenticator = current.environ, receiver.authenticator
    if not authenticator.accepts(environ):
        # A made-up account has no token, so the headers count as missing, whatever is in them.
        is_unknown = receiver.account == ""
        return to_response(
            receiver.rejections.reject(
                Result.UNAUTHENTICATED,
                "A required header is missing or has a wrong value.",
                f"Header {authenticator.explain(environ)}: see {receiver.headers_place}."
                if not is_unknown
                else "The account in the URL is not known.",
                has_no_header=is_unknown or authenticator.carries_none(environ),
            )
        )
    limit = receiver.settings.max_body_bytes
    try:
        body = read_body(current, limit)
    except RequestEntityTooLarge:
        allowed = min(limit, request.max_content_length or limit)
        key = "MAX_CONTENT_LENGTH" if allowed < limit else f"{receiver.prefix}_MAX_BODY_BYTES"
        detail = f"The body is larger than {allowed} bytes."
        return to_response(
            receiver.rejections.reject(Result.TOO_LARGE, detail, f"{detail} See {key}.")
        )
    except ClientDisconnected:
        return to_response(
            receiver.rejections.reject(
                Result.CUT_OFF,
                "The body did not arrive in full: it was cut off, or the application or its "
                "server consumed it before the receiver could.",
            )
        )
    except BodyNotHandedOver as error:
        return to_response(receiver.rejections.reject(Result.UNREAD, str(error)))
    headers = {name: header_text(environ[key]) for name, key in data_headers if key in environ}
    encoding = environ.get("HTTP_CONTENT_ENCODING", "")
    return to_response(receiver.receive(body, headers, encoding=encoding))
