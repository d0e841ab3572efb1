# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that Open WebUI starts with: public ones in the container's description, secret ones in a file that its start reads."""

from __future__ import annotations

import re
import shlex

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.address import inner_port
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import Wish

DATA_DIR = "/app/backend/data"
SECRETS_MOUNT = "/run/open-webui"
# A fleet of one's own asks nobody outside, unless the user wants it.
_UNLESS_TOLD = {"ENABLE_VERSION_UPDATE_CHECK": "False", "ENABLE_OPENAI_API": "False"}
# Run by the image's own Python: ends with 0 where the database has a user.
_HAS_A_USER = """import os, sqlalchemy
address = os.environ.get("DATABASE_URL", "sqlite:///file:%s/webui.db?mode=ro&uri=true")
with sqlalchemy.create_engine(address).connect() as database:
    raise SystemExit(not database.scalar(sqlalchemy.text("SELECT count(*) FROM \\"user\\"")))
""" % DATA_DIR
# Beside what managed() gives.
_ALSO_MANAGED = (
    "OLLAMA_BASE_URL",
    "OLLAMA_BASE_URLS",
    "OLLAMA_API_CONFIGS",
    "DATABASE_URL",
    "WEBUI_SECRET_KEY",
    "WEBUI_JWT_SECRET_KEY",
    "WEBUI_ADMIN_EMAIL",
    "WEBUI_ADMIN_PASSWORD",
    "WEBUI_ADMIN_NAME",
)


def managed(wish: Wish, on_host_network: bool) -> dict:
    """What the role answers for."""
    return {
        "DATA_DIR": DATA_DIR,
        "HOST": wish.bind_address if on_host_network else "0.0.0.0",
        "PORT": str(inner_port(wish, on_host_network)),
        "WEBUI_AUTH": "True",
        # Both, always: without the first the second re-opens sign-up at each start. The database wins and is reconciled through the API.
        "ENABLE_SIGNUP": "False",
        "ENABLE_PERSISTENT_CONFIG": "True",
        "RESET_CONFIG_ON_START": "False",
        "ENABLE_INITIAL_ADMIN_SIGNUP": "False",
        # The role signs in with a password itself.
        "ENABLE_PASSWORD_AUTH": "True",
        "ENABLE_OLLAMA_API": "True",
        "BYPASS_MODEL_ACCESS_CONTROL": str(wish.models_for_all_users),
    }


def reserved(wish: Wish) -> list:
    """Names that are refused in the user's dictionaries: they would undo a promise."""
    return [*managed(wish, False), *_ALSO_MANAGED]


def names_of_users(wish: Wish) -> list:
    return list(dict.fromkeys([*wish.environment, *wish.secret_environment]))


def _derived(wish: Wish) -> dict:
    """What follows from the public address; the user's own words win."""
    if not wish.url:
        return {}
    secure = str(wish.url.startswith("https://"))
    return {
        "WEBUI_URL": wish.url,
        "CORS_ALLOW_ORIGIN": re.sub(r"^(https?://[^/]+).*$", r"\1", wish.url),
        "WEBUI_SESSION_COOKIE_SECURE": secure,
        "WEBUI_AUTH_COOKIE_SECURE": secure,
    }


def public(wish: Wish, on_host_network: bool) -> dict:
    return {**_UNLESS_TOLD, **_derived(wish), **wish.environment, **managed(wish, on_host_network)}


def secret_file(wish: Wish) -> str:
    """The shell lines by which secrets reach the process, and not through the container's description, which any diff or `inspect` shows.

    The administrator's stay out where the database has a user: the server needs them once, and tools that its users add may read its environment.
    """
    administrator = {"WEBUI_ADMIN_EMAIL": wish.admin_email, "WEBUI_ADMIN_PASSWORD": wish.admin_password, "WEBUI_ADMIN_NAME": wish.admin_name}
    secrets = {**({"DATABASE_URL": wish.database_url} if wish.database_url else {}), **wish.secret_environment}
    lines = [
        "# Written by Ansible role llmfleet.ollama.open_webui; read by group %d when the container starts." % wish.gid,
        'WEBUI_SECRET_KEY="$(cat %s/secret_key)"' % SECRETS_MOUNT,
        "export WEBUI_SECRET_KEY",
        *_exports(secrets),
        "python -c %s 2>/dev/null || {" % shlex.quote(_HAS_A_USER),
        *_exports(administrator),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _exports(variables: dict) -> list:
    return ["export %s=%s" % (name, shlex.quote(str(variables[name]))) for name in sorted(variables)]


def left_behind(wish: Wish, variables: list) -> list:
    """Of the variables of a container that was made by hand, those that nobody sets any more."""
    kept = {*public(wish, False), *wish.secret_environment, *reserved(wish), "WEBUI_SECRET_KEY_FILE"}
    return [name for name in variables if name not in kept]
