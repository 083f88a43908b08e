from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata, resources
from pathlib import Path

import pytest

import flask_fd_whatsapp
from flask_fd_whatsapp import FreshdeskWhatsApp, FreshdeskWhatsAppError

ROOT = "flask_fd_whatsapp"
FOLDER = Path(flask_fd_whatsapp.__file__).parent
OPTIONAL = {
    "alembic",
    "apispec",
    "asgiref",
    "celery",
    "flask_sqlalchemy",
    "opentelemetry",
    "prometheus_client",
    "psycopg",
    "pymysql",
    "urllib3",
    "sqlalchemy",
    "yaml",
}
MAY_IMPORT_OPTIONAL = (
    "ledger/sql",
    "queue",
    "freshdesk",
    "simulator",
    "testing",
    "monitoring/collector",
    "monitoring/instrumentation",
    "monitoring/openapi",
    "monitoring/otel_observer",
)
SIGNALS = (
    "status_received status_changed message_queued message_sent message_delivered message_read "
    "message_failed webhook_rejected handler_failed event_dead"
)
NAMES = (
    "FreshdeskWhatsApp OutboundMessageEventSchema StatusEvent Actor DeliveryError Status "
    "current_ledger handler_name ConfigurationError RetryLater GiveUp FreshdeskWhatsAppError "
    "handle_event Account "
    "FailureClass " + SIGNALS
)

IMPORT_ALL = """
import importlib, pathlib, sys
folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.rglob("*.py")):
    relative = path.relative_to(folder.parent).with_suffix("")
    if not str(path.relative_to(folder)).startswith(tuple(sys.argv[2].split())):
        importlib.import_module(".".join(relative.parts).removesuffix(".__init__"))
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def imported_by(*arguments: str) -> set[str]:
    """The top-level packages that a new interpreter has imported at its end."""
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, cwd=FOLDER.parent
    )
    return set(done.stdout.split())


def modules() -> dict[str, Path]:
    """The package's modules by dotted name."""
    found = {}
    for path in FOLDER.rglob("*.py"):
        parts = path.relative_to(FOLDER.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports_of(path: Path, name: str) -> Iterator[str]:
    """The dotted names that a module imports anywhere, with relative imports resolved."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@cache
def import_graph() -> dict[str, set[str]]:
    """Which modules of the package import which, except parents' ``__init__``."""
    known = modules()
    graph: dict[str, set[str]] = {}
    for name, path in known.items():
        parents = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)}
        named = {target for target in imports_of(path, name) if target in known}
        for target in list(named):  # importing a module runs the packages that it is in
            named |= {target.rsplit(".", depth)[0] for depth in range(1, target.count(".") + 1)}
        graph[name] = named - parents - {name}
    return graph


def circle_in(graph: dict[str, set[str]]) -> list[str] | None:
    """A cycle of imports, if there is one."""
    done: set[str] = set()

    def follow(name: str, way: list[str]) -> list[str] | None:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return None
        for target in sorted(graph[name]):
            circle = follow(target, [*way, name])
            if circle:
                return circle
        done.add(name)
        return None

    return next(filter(None, (follow(name, []) for name in sorted(graph))), None)


def test_importing_the_package_imports_no_optional_dependency() -> None:
    """``import flask_fd_whatsapp`` imports no optional dependency."""
    code = "import flask_fd_whatsapp, sys; print(*{n.partition('.')[0] for n in sys.modules})"
    imported = imported_by("-c", code)
    assert {"flask", "marshmallow", "blinker", ROOT} <= imported
    assert not imported & OPTIONAL


def test_no_core_module_imports_an_optional_dependency() -> None:
    """None of the modules outside the optional parts imports an optional dependency."""
    imported = imported_by("-c", IMPORT_ALL, str(FOLDER), " ".join(MAY_IMPORT_OPTIONAL))
    assert ROOT in imported
    assert not imported & OPTIONAL


def test_no_core_module_names_an_optional_dependency() -> None:
    """Optional dependencies are not imported outside the optional parts, even inside functions."""
    for name, path in modules().items():
        if not path.relative_to(FOLDER).as_posix().startswith(MAY_IMPORT_OPTIONAL):
            tops = {target.partition(".")[0] for target in imports_of(path, name)}
            assert not tops & OPTIONAL, name


def test_the_public_names() -> None:
    """``__all__`` is sorted and contains the documented names, all of which exist."""
    names = flask_fd_whatsapp.__all__
    assert names == sorted(names)
    assert set(names) == set(NAMES.split())
    assert all(hasattr(flask_fd_whatsapp, name) for name in names)


def test_nothing_else_is_public() -> None:
    """Apart from submodules the package has no public name that is not in ``__all__``."""
    public = {
        name
        for name, value in vars(flask_fd_whatsapp).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public <= set(flask_fd_whatsapp.__all__)


@pytest.mark.parametrize("name", SIGNALS.split())
def test_signals_have_their_names(name: str) -> None:
    """A signal is called what its variable is called, and says what it is for."""
    signal = getattr(flask_fd_whatsapp, name)
    assert signal.name == name
    assert signal.__doc__


@pytest.mark.parametrize("name", ["ConfigurationError", "RetryLater"])
def test_exceptions_have_one_base(name: str) -> None:
    """Each public exception derives from the package's base error."""
    assert issubclass(getattr(flask_fd_whatsapp, name), FreshdeskWhatsAppError)
    assert issubclass(FreshdeskWhatsAppError, Exception)


def test_the_blueprints_signature() -> None:
    """The blueprint accepts the documented arguments, with the documented defaults."""
    parameters = inspect.signature(FreshdeskWhatsApp).parameters.values()
    assert [(p.name, p.default) for p in parameters] == [
        ("name", "fd_whatsapp"),
        ("config_prefix", "FD_WHATSAPP"),
        ("url_prefix", "/freshdesk"),
        ("schema", None),
        ("ledger", None),
        ("accounts", None),
        ("hand_over", None),
    ]
    assert [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY] == ["name"]


def test_no_circles() -> None:
    """No modules import each other in a cycle, even inside functions."""
    graph = import_graph()
    assert graph[f"{ROOT}.registration"] >= {f"{ROOT}.receiving.receiver", f"{ROOT}.ledger.context"}
    assert circle_in(graph) is None


def test_circles_are_found() -> None:
    """The search for cycles finds one."""
    assert circle_in({"a": {"b", "c"}, "b": set(), "c": {"d"}, "d": {"c"}}) == ["c", "d", "c"]


GROUND = {
    "durations",
    "escaping",
    "events",
    "exceptions",
    "failure_reasons",
    "log_fields",
    "on_access",
    "per_process",
    "throttle",
    "time_zones",
}
BELOW = {
    "failure_reasons": set(),
    "events": {"failure_reasons"},
    "exceptions": set(),
    "durations": set(),
    "escaping": set(),
    "on_access": set(),
    "per_process": set(),
    "throttle": set(),
    "time_zones": set(),
    "log_fields": {"escaping", "events", "failure_reasons"},
    "signals": {"events", "failure_reasons"},
    "campaigns": GROUND,
    "fields": GROUND,
    "schemas": GROUND | {"fields"},
    "known_fields": GROUND | {"fields"},
    "fast_load": GROUND | {"fields", "known_fields", "schemas"},
    "engagement": GROUND | {"engagement"},
    "setting_values": GROUND | {"campaigns"},
    "header_values": GROUND | {"setting_values"},
    "ledger_urls": GROUND | {"setting_values"},
    "api_settings": GROUND | {"campaigns", "setting_values"},
    "settings": GROUND
    | {"api_settings", "campaigns", "header_values", "ledger_urls", "setting_values"},
    "accounts": GROUND | {"api_settings", "header_values", "setting_values", "settings"},
    "ledger": GROUND | {"engagement", "ledger"},
    "handling": GROUND | {"handling", "ledger", "signals"},
    "receiving": GROUND
    | {
        "accounts",
        "fast_load",
        "handling",
        "known_fields",
        "ledger",
        "receiving",
        "schemas",
        "settings",
        "signals",
    },
    "freshdesk": GROUND
    | {"api_settings", "freshdesk", "header_values", "ledger", "receiving", "settings"},
}
"""What stands below each room; what is not named here stands above all of these."""


def test_imports_point_one_way() -> None:
    """Each package imports only lower ones: basics, figures, ledger, handling, and so on."""
    for name, targets in import_graph().items():
        layer = name.split(".")[1] if "." in name else ""
        tops = {target.split(".")[1] for target in targets if target != ROOT}
        if layer in BELOW and not name.startswith(f"{ROOT}.ledger.sql"):
            assert tops <= BELOW[layer], name
        if name not in (ROOT, f"{ROOT}.blueprint"):
            assert not tops & {"blueprint", "registration"}, name


def test_no_two_modules_share_a_name() -> None:
    """Module names are unique."""
    names = [path.stem for path in FOLDER.rglob("*.py") if not path.stem.startswith("_")]
    assert sorted(names) == sorted(set(names))


def test_what_watches_stands_above_what_receives() -> None:
    """Nothing that handles an event imports monitoring, which imports no command."""
    for name, targets in import_graph().items():
        layer = name.split(".")[1] if "." in name else ""
        tops = {target.split(".")[1] for target in targets if target != ROOT}
        if "monitoring" in tops:
            assert layer in ("monitoring", "commands", "dashboard"), name
        if layer == "monitoring":
            assert not tops & {"blueprint", "commands", "queue", "simulator", "testing"}, name


def test_what_is_installed_with_it() -> None:
    """The package requires Flask, marshmallow and blinker, and nothing else without an extra."""
    required = metadata.requires(ROOT) or []
    core = {line.partition(">")[0] for line in required if "extra ==" not in line}
    assert core == {"flask", "marshmallow", "blinker"}


def test_the_package_is_typed() -> None:
    """Type checkers are told to read the package's annotations."""
    assert resources.files(ROOT).joinpath("py.typed").is_file()
