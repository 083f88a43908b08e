"""What ``flask fd-whatsapp setup`` prints for Freshdesk's form, and what it refuses."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask

from flask_fd_whatsapp import ConfigurationError, FreshdeskWhatsApp
from flask_fd_whatsapp.__main__ import group

from ..conftest import TOKEN, URL, MakeApp
from ..processes.waiting import TIMEOUT
from .conftest import RunCommand

DESTINATION = f"https://example.com{URL}"


def _line(output: str, start: str) -> str:
    (line,) = [line for line in output.splitlines() if line.strip().startswith(start)]
    return line.strip().removeprefix(start).strip()


def test_setup_names_what_the_form_wants(app: Flask, run: RunCommand) -> None:
    """Destination, header and alert addresses are named as in the form."""
    result = run(
        app, "setup", "--url", DESTINATION, "--alert-email", "a@x.org", "--alert-email", "b@x.org"
    )
    assert result.exit_code == 0
    assert _line(result.output, "Destination URL") == DESTINATION
    assert re.fullmatch(r"Authorization: Bearer [\w-]{43}", _line(result.output, "Header"))
    assert re.findall(r"Failed notification email +(\S+)", result.output) == ["a@x.org", "b@x.org"]
    assert "Admin > Channels > WhatsApp > Manage Webhooks" in result.output


def test_toggle_comes_last(app: Flask, run: RunCommand) -> None:
    """The webhook is switched on once the application has the token and has been checked."""
    output = run(app, "setup", "--url", DESTINATION).output
    steps = [
        "Save, and leave the toggle",
        "app.config",
        "Deploy, ",
        "check`",
        "toggle in Freshdesk",
    ]
    places = [output.index(step) for step in steps]
    assert places == sorted(places)
    assert output.index("Enabled") > places[-1]


@pytest.mark.parametrize("source", ["python", "environment", "json"])
def test_configuration_matches(
    app: Flask, run: RunCommand, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """An application configured with the printed line accepts what Freshdesk sends by the form."""
    arguments = ["setup", "--url", DESTINATION, *(["--json"] if source == "json" else [])]
    output = run(app, *arguments).stdout
    ready = Flask("ready")
    ready.testing = True
    if source == "json":
        report = json.loads(output)
        assert report["destination_url"] == DESTINATION
        assert report["warning"] is None
        headers = report["headers"]
        ready.config.update(report["configuration"])
    else:
        name, value = _line(output, "Header").split(": ", 1)
        headers = {name: value}
    if source == "python":
        value = _line(output, 'app.config["FD_WHATSAPP_HEADERS"] =')
        ready.config["FD_WHATSAPP_HEADERS"] = ast.literal_eval(value)
    elif source == "environment":
        (value,) = shlex.split(_line(output, "FLASK_FD_WHATSAPP_HEADERS="))
        monkeypatch.setenv("FLASK_FD_WHATSAPP_HEADERS", value)
        ready.config.from_prefixed_env()
    ready.register_blueprint(FreshdeskWhatsApp())
    client = ready.test_client()
    assert client.post(URL, headers=headers).status_code == 200
    assert client.post(URL, headers={"Authorization": TOKEN}).status_code == 401


def test_new_token_each_time(app: Flask, run: RunCommand) -> None:
    """Each run generates a new token, and shows no token in use."""
    first, second = (run(app, "setup", "--url", DESTINATION).output for _ in range(2))
    assert _line(first, "Header") != _line(second, "Header")
    assert TOKEN.removeprefix("Bearer ") not in first + second


def test_configured_headers(make_app: MakeApp, run: RunCommand) -> None:
    """The headers of the form are the configured ones; data headers are left to fill in."""
    app = make_app(HEADERS={"X-Token": "1", "Authorization": "2"}, DATA_HEADERS=["X-Tenant"])
    report = json.loads(run(app, "setup", "--json", "--url", DESTINATION).stdout)
    assert list(report["headers"]) == ["X-Token", "Authorization", "X-Tenant"]
    assert report["headers"]["X-Tenant"] == "<your value>"
    assert not report["headers"]["X-Token"].startswith("Bearer ")
    assert list(report["configuration"]["FD_WHATSAPP_HEADERS"]) == ["X-Token", "Authorization"]


def test_setup_offers_an_authorization_header(make_app: MakeApp, run: RunCommand) -> None:
    """A receiver without headers is offered an Authorization header."""
    app = make_app(HEADERS={}, ALLOW_UNAUTHENTICATED=True)
    assert _line(run(app, "setup", "--url", DESTINATION).output, "Header").startswith(
        "Authorization: Bearer "
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--url", "http://example.com/freshdesk/whatsapp"], "--url: Freshdesk posts to https://"),
        (["--url", "example.com/freshdesk/whatsapp"], "--url: Freshdesk posts to https://"),
        (["--url", "https:///freshdesk/whatsapp"], "--url: Not a URL with a host"),
        (
            ["--url", DESTINATION, "--alert-email", "nobody"],
            "--alert-email: 'nobody' is not an e-mail",
        ),
        (
            ["--url", DESTINATION, *["--alert-email", "a@x.org"] * 3],
            "--alert-email: The form takes at most 2",
        ),
        ([], "--url"),
    ],
)
def test_setup_refuses_what_the_form_would(
    app: Flask, run: RunCommand, arguments: list[str], told: str
) -> None:
    """Values that Freshdesk's form refuses are refused naming the option, without a token."""
    result = run(app, "setup", *arguments)
    assert result.exit_code == 2
    assert told in result.output
    assert "Bearer" not in result.output


def test_refuses_a_fourth_header(make_app: MakeApp, run: RunCommand) -> None:
    """More headers than the form takes are refused by naming the settings."""
    app = make_app(DATA_HEADERS=["X-A", "X-B", "X-C"])
    result = run(app, "setup", "--url", DESTINATION)
    assert result.exit_code == 2
    assert "FD_WHATSAPP_DATA_HEADERS: The form takes at most 3 headers." in result.output


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        (DESTINATION, False),
        (DESTINATION + "/", False),
        (f"https://example.com/app{URL}?account=1", False),
        ("https://example.com/", True),
        ("https://example.com/freshdesk", True),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_destination_with_another_path_is_a_warning(
    app: Flask, run: RunCommand, form: list[str], url: str, warns: bool
) -> None:
    """A destination with another path than the receiver's, apart from a prefix, is a warning."""
    result: Any = run(app, "setup", "--url", url, *form)
    assert result.exit_code == 0
    assert (f"does not end in {URL}" in result.output) is warns


def test_before_there_is_a_token(tmp_path: Path) -> None:
    """Without an application it generates the first token, with a setting that lets one start."""
    with pytest.raises(ConfigurationError, match="`python -m flask_fd_whatsapp setup --url"):
        Flask("host").register_blueprint(FreshdeskWhatsApp())
    done = subprocess.run(
        [sys.executable, "-m", "flask_fd_whatsapp", "setup", "--url", DESTINATION],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    name, value = _line(done.stdout, "Header").split(": ", 1)
    app = Flask("host")
    app.config["FD_WHATSAPP_HEADERS"] = ast.literal_eval(
        _line(done.stdout, 'app.config["FD_WHATSAPP_HEADERS"] =')
    )
    app.testing = True
    app.register_blueprint(FreshdeskWhatsApp())
    assert app.test_client().post(URL, headers={name: value}).status_code == 200
    assert done.stderr == ""


def test_without_an_application_names_of_keys_can_be_chosen() -> None:
    """A receiver with a prefix of its own gets its own key; what the form refuses is refused."""
    runner = CliRunner()
    result = runner.invoke(
        group, ["setup", "--url", "https://x.org/hook", "--config-prefix", "EU", "--json"]
    )
    report = json.loads(result.stdout)
    assert list(report["configuration"]) == ["EU_HEADERS"]
    assert "/freshdesk/whatsapp, where the receiver listens unless" in report["warning"]
    refused = runner.invoke(group, ["setup", "--url", "http://x.org"])
    assert (refused.exit_code, "Freshdesk posts to https://" in refused.output) == (2, True)
