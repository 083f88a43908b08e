"""The compose files: what they promise, and that it runs."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import tomllib
from contextlib import ExitStack, closing
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import pytest
from celery.app.defaults import NAMESPACES, flatten
from flask import Flask
from flask.cli import ScriptInfo
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flask_fd_whatsapp.commands.group import Commands
from flask_fd_whatsapp.settings import KNOWN_KEYS

from ..conftest import PAYLOADS, SAMPLES, TOKEN, URL, MakeApp
from ..ledger.databases import fresh_database
from ..ports import free_port
from ..processes.waiting import wait_until
from ..queue.brokers import fresh_queue
from .composed import (
    EXAMPLES,
    EXAMPLES_OF_COMPOSE,
    Composed,
    health_command,
    own_services,
    services,
)

ROOT = EXAMPLES.parent
VERSION = r"\d+\.\d+(\.\d+)?(-[\w.]+)?"

each_example = pytest.mark.parametrize("example", EXAMPLES_OF_COMPOSE)


def is_one_shot(service: dict[str, Any]) -> bool:
    return bool(service["restart"] == "no")


def test_there_are_examples_with_a_queue_and_without() -> None:
    """Both have a compose file."""
    assert EXAMPLES_OF_COMPOSE == ["docker", "scale"]


@each_example
def test_services_are_started_again_and_looked_at_and_ended_in_good_order(example: str) -> None:
    """Long-running services have restart:, a health check with a time-out, and a grace period."""
    running = {key: one for key, one in services(example).items() if not is_one_shot(one)}
    assert len(running) >= 2
    for name, service in running.items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name
        assert re.fullmatch(r"\d+s", service["stop_grace_period"]), name


@each_example
def test_gunicorn_is_given_longer_than_it_gives_its_requests(example: str) -> None:
    """Stopping a receiver waits until its requests are answered."""
    (receiver,) = [
        one for one in services(example).values() if "gunicorn" in str(one.get("command"))
    ]
    graceful = re.search(r"--graceful-timeout=(\d+)", receiver["command"])
    assert graceful is not None
    assert int(receiver["stop_grace_period"].removesuffix("s")) > int(graceful[1])


@each_example
def test_tables_are_upgraded_before_anything_is_started(example: str) -> None:
    """One service upgrades and exits, and all others of the application wait for it."""
    own = own_services(example)
    (upgrading,) = [name for name, one in own.items() if "fd-whatsapp upgrade" in one["command"]]
    assert is_one_shot(own.pop(upgrading))
    for name, service in own.items():
        assert service["depends_on"][upgrading] == {
            "condition": "service_completed_successfully"
        }, name


@each_example
def test_images_and_packages_are_pinned(example: str) -> None:
    """Builds are reproducible: each image has a full version, each package exactly one."""
    images = [one["image"] for one in services(example).values() if "image" in one]
    dockerfile = (EXAMPLES / example / "Dockerfile").read_text()
    images += re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    for image in images:
        assert re.fullmatch(rf"[\w/]+:{VERSION}", image), image
    lines = (EXAMPLES / example / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    assert {"flask", "gunicorn", "sqlalchemy"} <= {pin.partition("==")[0] for pin in pins}
    installs = re.findall(r"^RUN pip install (.*)$", dockerfile, re.MULTILINE)
    assert installs == [
        "--no-cache-dir --requirement requirements.txt",
        "--no-cache-dir --no-deps .",
    ]


@pytest.mark.parametrize(
    ("example", "extras"), [("docker", ["sql"]), ("scale", ["celery", "postgresql", "sql"])]
)
def test_what_is_pinned_is_what_the_package_needs(example: str, extras: list[str]) -> None:
    """The package is installed without its dependencies: each is pinned, within its bounds."""
    lines = (EXAMPLES / example / "requirements.txt").read_text().splitlines()
    pins = {
        canonicalize_name(name): version
        for name, _, version in (line.partition("==") for line in lines if line[0] != "#")
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"]]
    for extra in extras:
        needed += project["optional-dependencies"][extra]
    for requirement in map(Requirement, needed):
        if requirement.name != project["name"]:
            assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


@each_example
def test_builder_gets_what_is_copied_and_no_more(example: str) -> None:
    """.dockerignore lets through what the Dockerfile copies, and nothing that may be secret."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    let_through = [line.removeprefix("!") for line in lines if line.startswith("!")]
    dockerfile = (EXAMPLES / example / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (.*)$", dockerfile, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(source == one or source.startswith(f"{one}/") for one in let_through)
    for secret in (".env", ".git", "instance", ".venv"):
        assert not any(fnmatch(secret, one) for one in let_through)


@each_example
def test_commands_are_those_of_the_package(example: str, make_app: MakeApp) -> None:
    """Every `flask fd-whatsapp ...` in file and README has a name and options that exist."""
    app = make_app()
    texts = [(EXAMPLES / example / "README.md").read_text()]
    for service in own_services(example).values():
        texts += [service["command"], *health_command(service.get("healthcheck", {"test": ""}))]
    found = re.findall(r"\bfd-whatsapp ([a-z][^`\n\"&]*)", "\n".join(texts))
    assert len(found) >= 2
    for command in found:
        parse(app, command.split())


def parse(app: Flask, arguments: list[str]) -> None:
    group = app.cli.commands["fd-whatsapp"]
    assert isinstance(group, Commands)
    with click.Context(group, obj=ScriptInfo(create_app=lambda: app)) as context:
        command = group.get_command(context, arguments[0])
        assert command is not None, arguments
        command.make_context(arguments[0], arguments[1:], parent=context, resilient_parsing=True)


@each_example
def test_environment_has_settings_that_exist(example: str) -> None:
    """Each FLASK_FD_WHATSAPP_... is a setting of this package, each FLASK_CELERY__... Celery's."""
    celery = {key for key, _ in flatten(NAMESPACES)}
    for service in own_services(example).values():
        for key in service["environment"]:
            prefix, _, name = key.partition("_")
            assert prefix == "FLASK"
            if name.startswith("FD_WHATSAPP_"):
                assert name.removeprefix("FD_WHATSAPP_") in KNOWN_KEYS, key
            elif name.startswith("CELERY__"):
                assert name.removeprefix("CELERY__") in celery, key
            else:
                assert name in {"APP", "BEAT_FILE"}, key


@each_example
def test_docker_takes_the_file(example: str) -> None:
    """Docker Compose, if installed, accepts the file."""
    command = ["docker", "compose"]
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed.")
    if subprocess.run([*command, "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose plugin.")
    file = EXAMPLES / example / "compose.yaml"
    done = subprocess.run(
        [*command, "--file", file, "config", "--quiet"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def post(port: int, sample: str) -> tuple[int, Any]:
    body = (PAYLOADS / f"{sample}.json").read_bytes()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("POST", URL, body, {"Authorization": TOKEN})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.mark.slow
def test_web_container_and_follower_run(tmp_path: Path) -> None:
    """The services of `docker` start with their commands, become healthy, and handle events."""
    port = free_port()
    changes = {"FLASK_FD_WHATSAPP_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db"}
    composed = Composed("docker", tmp_path, port, changes)
    composed.run("upgrade")
    assert not composed.is_healthy("web")
    with composed.running("web") as web, composed.running("follower") as follower:
        wait_until(lambda: composed.is_healthy("web"), "the web container is healthy")
        for sample in SAMPLES:
            assert post(port, sample) == (200, {"result": "accepted"})
        wait_until(lambda: "-> READ" in composed.log("follower"), "events are handled")
        assert composed.is_healthy("follower")
    assert (web.returncode, follower.returncode) == (0, 0)


@pytest.mark.slow
def test_receiver_worker_and_beat_run(tmp_path: Path) -> None:
    """The services of `scale` start with their commands, and each health check passes."""
    port = free_port()
    with fresh_database("postgresql", tmp_path) as url, fresh_queue("rabbitmq") as broker:
        broker = {**broker, "worker_enable_remote_control": True}
        broker["control_exchange"] = broker["task_default_queue"]
        changes = {
            "FLASK_FD_WHATSAPP_LEDGER_URL": url,
            "FLASK_BEAT_FILE": str(tmp_path / "beat"),
            **{f"FLASK_CELERY__{key}": json.dumps(value) for key, value in broker.items()},
        }
        composed = Composed("scale", tmp_path, port, changes)
        composed.run("prepare")
        names = ("receiver", "worker", "beat")
        assert not any(composed.is_healthy(name) for name in names)
        with ExitStack() as stack:
            running = [stack.enter_context(composed.running(name)) for name in names]
            for name in names:
                wait_until(lambda: composed.is_healthy(name), f"{name} is healthy", 90)  # noqa: B023
            assert post(port, "read") == (200, {"result": "accepted"})
            wait_until(lambda: post(port, "read")[1] == {"result": "duplicate"}, "it is handled")
        assert [one.returncode for one in running] == [0, 0, 0]
        assert not any(composed.is_healthy(name) for name in ("receiver", "worker"))
