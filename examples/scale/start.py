"""Starts all of it on this machine: receivers, two workers and beat.

PostgreSQL and RabbitMQ have to be running (see README.md). Ctrl-C or SIGTERM stops it, and so does
a process that exits on its own, since then something is wrong.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

FOLDER = Path(__file__).parent
PORT = os.environ.get("PORT", "8000")
GRACE_SECONDS = 20

FLASK = ("-m", "flask", "--app", "app")
CELERY = ("-m", "celery", "--app", "app:celery_app")

PREPARATIONS = (
    (*FLASK, "fd-whatsapp", "upgrade"),
    (*FLASK, "create-tables"),
    (*FLASK, "fd-whatsapp", "check"),
)


def services(folder: str) -> list[tuple[str, ...]]:
    """Return the commands to run side by side; *folder* is for their files."""
    worker = (*CELERY, "worker", "--loglevel=INFO", "--concurrency=2")
    return [
        ("-m", "gunicorn", "--workers=2", "--threads=8", f"--bind=127.0.0.1:{PORT}", "app:app"),
        (*worker, "--hostname=one@%h"),
        (*worker, "--hostname=two@%h"),
        (*CELERY, "beat", f"--schedule={folder}/schedule", "--pidfile="),
    ]


def main() -> int:
    """Prepare the database, start everything, and wait for the end."""
    for command in PREPARATIONS:
        if subprocess.run([sys.executable, *command], cwd=FOLDER, check=False).returncode:
            print(f"`{' '.join(command[1:])}` failed: see above.", file=sys.stderr)
            return 1
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory() as folder:
        running: list[subprocess.Popen[bytes]] = []
        try:
            for service in services(folder):
                # Of their own groups: Ctrl-C is for this process, which then ends them.
                running.append(
                    subprocess.Popen([sys.executable, *service], cwd=FOLDER, process_group=0)
                )
            while all(process.poll() is None for process in running):
                time.sleep(0.2)
            print("A process has ended: ending the others.", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 0
        finally:
            end(running)


def end(running: list[subprocess.Popen[bytes]]) -> None:
    """Let every process finish its work; kill those that do not end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for process in running:
        process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
