# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL that open_webui_database_url names."""

from __future__ import annotations

import dataclasses
import re
import shlex
from urllib.parse import unquote, urlsplit

# With or without the driver that Python's libraries read from it.
SCHEME = re.compile(r"^postgres(ql)?([+][a-z0-9]+)?:")
DEFAULT_PORT = 5432
# Names by which a container calls its host; the host does not know itself by them.
_HOST_ITSELF = ("host.docker.internal", "host.containers.internal")


@dataclasses.dataclass(frozen=True)
class Database:
    """host is empty for SQLite. password stays in here."""

    host: str = ""
    port: int = DEFAULT_PORT
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    name: str = ""
    sslmode: str = ""


def parse(url: str) -> Database:
    """ValueError for an address with a port that is none."""
    split = urlsplit(url)
    sslmode = re.search(r"(?:^|&)sslmode=([a-z-]+)", split.query)
    return Database(
        host=split.hostname or "",
        port=split.port or DEFAULT_PORT,
        user=unquote(split.username or ""),
        password=unquote(split.password or ""),
        name=unquote(split.path.removeprefix("/")),
        sslmode=sslmode.group(1) if sslmode else "",
    )


def readable(url: str) -> bool:
    """Whether it is an address of PostgreSQL."""
    try:
        parse(url)
    except ValueError:
        return False
    return bool(re.match(SCHEME.pattern + "//", url))


def exports(url: str, dump: str) -> str:
    """Shell lines for the user's command: libpq's own variables, so that it needs no password among its arguments.

    PostgreSQL's tools know nothing of Python's drivers. dump: the file that the command writes or reads.
    """
    database = parse(url)
    variables = {
        "DUMP": dump,
        "DATABASE_URL": SCHEME.sub("postgresql:", url),
        "PGHOST": "127.0.0.1" if database.host in _HOST_ITSELF else database.host,
        "PGPORT": str(database.port),
        "PGUSER": database.user,
        "PGPASSWORD": database.password,
        "PGDATABASE": database.name,
        "PGSSLMODE": database.sslmode or "prefer",
    }
    return "".join("export %s=%s\n" % (name, shlex.quote(value)) for name, value in variables.items())


def without_secrets(text: str, url: str) -> str:
    """What a command said, without the address and the password."""
    for secret in (url, parse(url).password):
        text = text.replace(secret, "…") if secret else text
    return text
