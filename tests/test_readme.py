"""The README and the site: their code runs, and their tables are those of the package."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, handler_failed
from flask_fd_whatsapp.commands.group import NAMES, group
from flask_fd_whatsapp.receiving.receiver import Receiver
from flask_fd_whatsapp.receiving.responses import Result
from flask_fd_whatsapp.settings import KNOWN_KEYS, Settings
from flask_fd_whatsapp.signals import EVENT_SIGNALS, NOTICES
from flask_fd_whatsapp.simulator import API_FAULTS, FAULTS

from .conftest import PAYLOADS, SAMPLES, TOKEN, MakeApp

README = Path(__file__).parents[1] / "README.md"
DOCS = README.parent / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
ALL_TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
BLOCKS = [
    block
    for block in re.findall(r"^```python\n(.*?)^```$", ALL_TEXT, re.DOTALL | re.MULTILINE)
    if "flask_fd_whatsapp.testing" not in block  # run by tests/testing/test_readme_recipe.py
]
STAND_INS = {
    "postgresql+psycopg://user:password@host/database": "sqlite:///readme.db",
    "amqp://guest:guest@127.0.0.1//": "memory://",
    "redis://127.0.0.1:6379/0": "redis://127.0.0.1:1/0",
}
"""What the blocks name and a machine without services has not."""

NEED_MORE = {"reconcile", "report --compare spring autumn"}
"""Commands that need an account at Freshdesk, or campaigns."""

COMMANDS = sorted(
    {
        command.split(" > ")[0]
        for command in re.findall(r"^\s*flask fd-whatsapp (.*)$", ALL_TEXT, re.MULTILINE)
    }
    - NEED_MORE
)


def rows(page: str) -> list[list[str]]:
    """The cells of the first table of a page, without its head."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\|.*$", text, re.MULTILINE)[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def receivers_of(app: Flask) -> list[Receiver]:
    """Every receiver that accepts the samples, even for one of many accounts."""
    found = []
    for receiver in app.extensions["fd_whatsapp"].values():
        if receiver.accounts is None:
            found.append(receiver)
        else:
            keys = receiver.accounts.keys(receiver.ledger)
            found += [one for one in map(receiver.accounts.find, keys) if takes_samples(one)]
    return found


def takes_samples(receiver: Receiver | None) -> bool:
    ids = receiver and receiver.settings.account_ids
    return ids is not None and "11011399037" in ids


def post_samples(app: Flask) -> list[int]:
    """The statuses of the answers to all samples, posted to every receiver."""
    statuses = []
    for receiver in receivers_of(app):
        headers = {name: values[0] for name, values in receiver.settings.headers.items()}
        data = dict.fromkeys(receiver.settings.data_headers, "acme")
        for name in SAMPLES:
            body = (PAYLOADS / f"{name}.json").read_bytes()
            answer = app.test_client().post(receiver.url, data=body, headers=headers | data)
            statuses.append(answer.status_code)
    return statuses


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_python_blocks_run(block: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every block runs, alone or after ``app = Flask(...)``, and handles the samples."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLASK_FD_WHATSAPP_HEADERS", f'{{"Authorization": "{TOKEN}"}}')
    app = Flask("readme")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    failures: list[Any] = []
    handler_failed.connect(lambda app, exception, **_: failures.append(exception), weak=False)
    for url, stand_in in STAND_INS.items():
        block = block.replace(url, stand_in)
    namespace: dict[str, Any] = {"__name__": "readme", "app": app}
    exec(compile(block, str(README), "exec", dont_inherit=True), namespace)
    for name, value in list(namespace.items()):
        if name.startswith("test_"):
            value()
    app = namespace["create_app"]() if "create_app" in namespace else namespace["app"]
    if "fd_whatsapp" not in app.extensions:
        app.register_blueprint(FreshdeskWhatsApp())
    assert set(post_samples(app)) == {200}
    assert failures == []


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_shown_work(command: str, make_app: MakeApp) -> None:
    """Every command of this package that is shown works."""
    app = make_app(LEDGER_URL="sqlite:///readme.db", CAMPAIGN=r"^\w+")
    result = app.test_cli_runner().invoke(args=["fd-whatsapp", *shlex.split(command)])
    assert result.exit_code == 0, result.output


def test_there_is_something_to_run() -> None:
    """Blocks and commands are found."""
    assert len(BLOCKS) >= 10
    assert {command.split()[0] for command in COMMANDS} >= {"setup", "check", "report"}


def test_view_of_a_message_works(app: Flask) -> None:
    """The view that shows a message works, known or not."""
    (block,) = [block for block in BLOCKS if "/messages/<message_id>" in block]
    exec(compile(block, str(README), "exec", dont_inherit=True), {"app": app})
    post_samples(app)
    client = app.test_client()
    assert client.get("/messages/M0").status_code == 404
    shown = client.get("/messages/01KAB4HHTBE081898E432RCMA7").get_json()
    assert (shown["status"], len(shown["times"])) == ("READ", 5)


def test_settings_table() -> None:
    """Every setting is listed, in the order of the code, with its default."""
    table = {row[0].strip("`"): row[1].strip("`") for row in rows("settings")}
    assert set(table) == {f"FD_WHATSAPP_{key}" for key in KNOWN_KEYS}
    assert table.pop("FD_WHATSAPP_HEADERS") == "required"
    defaults = Settings(headers={})
    for key, default in table.items():
        name = key.removeprefix("FD_WHATSAPP_").lower()
        assert ast.literal_eval(default) == getattr(defaults, name), key


def test_signals_table() -> None:
    """Every signal is listed, with the reasons of a rejection."""
    table = {row[0].strip("`"): row[2] for row in rows("signals")}
    assert set(table) == {signal.name for signal in (*EVENT_SIGNALS, *NOTICES)}
    reasons = re.findall(r"`(\w+)`", table["webhook_rejected"].split("(")[1].split(")")[0])
    assert set(reasons) == {r.label for r in Result if 400 <= r.status < 500}


def test_commands_table() -> None:
    """Every command is listed."""
    assert {re.findall(r"\w+", row[0])[0] for row in rows("commands")} == set(NAMES)


def options_of(command: click.Command) -> set[str]:
    """Every long option of a command, and of those in it."""
    own = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return own.union(*map(options_of, inner))


def test_options_that_are_named_exist() -> None:
    """Every named command exists, and so does every option shown with it."""
    shown = re.findall(r"flask fd-whatsapp ([a-z]+)([^`\n|]*)", ALL_TEXT)
    assert len(shown) > 100
    for name, rest in shown:
        command = group.get_command(click.Context(group), name)
        assert command is not None, name
        named = set(re.findall(r"(?<!\S)--[a-z][a-z-]+", rest))
        assert named <= options_of(command) | {"--help"}, f"{name}{rest}"


def test_settings_that_are_named_exist() -> None:
    """Every named key is a setting, or belongs to one of several receivers."""
    named = set(re.findall(r"(?<![\w])(?:FLASK_)?FD_WHATSAPP_(\w+)", ALL_TEXT))
    others = re.compile(r"(EUROPE|AMERICA|TEST|COPY_TO)(_|$)")
    assert {key for key in named if not others.match(key)} <= set(KNOWN_KEYS)


def test_answers_table() -> None:
    """Every answer is listed."""
    answers = [row[1] for row in rows("answers")]
    words = {result.label for result in Result if result.status == 200}
    assert {
        word for answer in answers for word in re.findall(r'"result": "(\w+)"', answer)
    } == words
    assert {int(answer[:3]) for answer in answers} == {r.status.value for r in Result} | {204}


def test_faults_tables() -> None:
    """Every fault of events, and then of the API, is listed with its description."""
    text = (DOCS / "simulator.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z][a-z-]*)` \| ([^|]*) \|$", text, re.MULTILINE)
    faults = (*FAULTS.values(), *API_FAULTS.values())
    assert listed == [(fault.name, fault.description) for fault in faults]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """Links to headings and files work."""
    for target in re.findall(r"\]\((?!https:)([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            names = {re.sub(r"[^\w -]", "", name).lower().replace(" ", "-") for name in headings}
            assert anchor in names, target
