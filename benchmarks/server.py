"""gunicorn with one of the benchmarks' applications."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from .command import NotMeasured
from .requests import URL

ROOT = Path(__file__).parents[1]

# The variables that configure another process.
VARIANT = "BENCHMARK_VARIANT"
FOLDER = "BENCHMARK_FOLDER"
LEDGER_URL = "BENCHMARK_LEDGER_URL"
CELERY = "BENCHMARK_CELERY"
PAGES = "BENCHMARK_PAGES"

_SECONDS = 30
_BACKLOG = 1024


@contextmanager
def serving(
    folder: Path, variables: Mapping[str, str], *, worker_class: str, workers: int, threads: int
) -> Generator[int]:
    """The port on which ``benchmarks.served`` answers until the end of the ``with`` block.

    :param folder: an empty one, for the log and what gunicorn and the application keep.
    :param variables: tell :mod:`benchmarks.served` what to be.
    :raises NotMeasured: if it does not start.
    """
    command = [sys.executable, "-m", "gunicorn", f"--worker-class={worker_class}"]
    command += [f"--workers={workers}", f"--threads={threads}", "--keep-alive=30"]
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        descriptor, port = listener.fileno(), int(listener.getsockname()[1])
        with (folder / "gunicorn.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, f"--bind=fd://{descriptor}", "benchmarks.served:create_app()"],
                cwd=ROOT,
                # gunicorn keeps a control socket in the home folder.
                env={
                    **os.environ,
                    **variables,
                    "HOME": str(folder),
                    "XDG_RUNTIME_DIR": str(folder),
                },
                stdout=log,
                stderr=log,
                pass_fds=[descriptor],
                start_new_session=True,
            )
        try:
            _wait_until_it_answers(port, process, folder / "gunicorn.log")
            yield port
        finally:
            _end(process)


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    # The socket is already listening: the request waits for the first worker, or until the end.
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)) as connection:
        try:
            connection.request("HEAD", URL)
            connection.getresponse().read()
        except OSError as error:
            end = log.read_text()[-2000:]
            raise NotMeasured(f"gunicorn does not answer ({error}):\n{end}") from error
    if process.poll() is not None:
        raise NotMeasured(f"gunicorn has ended:\n{log.read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
