"""A PostgreSQL cluster of the tests' own, in a temporary folder, reached by a socket in that folder only."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def missing() -> str | None:
    """Return why no cluster can be started here, or None where one can."""
    if _programs() is None:
        return "PostgreSQL isn't installed (Debian and Ubuntu: apt-get install postgresql)"
    if os.geteuid() == 0 and _servant() is None:
        return "PostgreSQL doesn't run as root, and there is no user 'postgres' or 'nobody' to run it"
    return None


@contextmanager
def running_cluster() -> Iterator[str]:
    """Start a cluster and give the URL of its database `postgres`, to which every test adds one of its own; stopped at the end."""
    programs = _programs()
    assert programs is not None
    servant = _servant() if os.geteuid() == 0 else None
    as_servant: dict[str, Any] = {"user": servant.pw_uid, "group": servant.pw_gid, "extra_groups": []} if servant else {}
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: the path of a socket has about a hundred characters at most
    try:
        if servant:
            os.chown(folder, servant.pw_uid, servant.pw_gid)
        data = folder / "data"
        common: dict[str, Any] = {"check": True, "cwd": folder, "capture_output": True, **as_servant}
        subprocess.run([programs / "initdb", "-D", data, "-U", "marginalia", "-A", "trust", "-E", "UTF8", "--no-sync"], **common)
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=100"
        subprocess.run([programs / "pg_ctl", "-D", data, "-w", "-s", "-l", folder / "log", "-o", options, "start"], **common)
        try:
            yield f"postgresql+psycopg://marginalia@/postgres?host={folder}"
        finally:
            subprocess.run([programs / "pg_ctl", "-D", data, "-w", "-s", "-m", "immediate", "stop"], **common)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4].split(".")[0]))
    path = shutil.which("initdb")
    return found[-1].parent if found else Path(path).resolve().parent if path else None


def _servant() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None
