# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said in the end: what serves, or what failed."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import found, problem
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import address, database
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import Wish


def told(wish: Wish, url: str, before: str | None, warnings: list) -> dict:
    """The fact open_webui, to which the role adds what the server says. before: the release that served."""
    return {
        "previous_version": before if before and before != wish.version else "",
        "wanted_version": wish.version,
        "url": url,
        "admin_email": wish.admin_email,
        "password_file": wish.admin_password_file,
        "rolled_back": False,
        "warnings": warnings,
    }


def told_back(wish: Wish, url: str, running: str) -> dict:
    """The fact of a host whose old release came back."""
    return {"version": running, "previous_version": "", "wanted_version": wish.version, "url": url, "rolled_back": True}


def failed_log(wish: Wish) -> str:
    return "%s/failed-%s.log" % (wish.backup_dir, wish.version)


def of_a_command(wish: Wish, variable: str, ran: dict) -> list:
    """ran: the result of the user's command for PostgreSQL, whose words may hold the password. variable: the one that names the command."""
    said = str(ran.get("stderr") or ran.get("msg") or "no message")
    return found(
        (
            ran.get("rc", 1) != 0,
            "command_failed",
            variable,
            "%s ended with code %s: %s." % (variable, ran.get("rc", "?"), database.without_secrets(said, wish.database_url).strip()),
        )
    )


def of_a_start(wish: Wish, seen: dict, failed: dict) -> list:
    """A container that did not become ready: what failed, and what serves now.

    seen: the host before; failed: the name of the task, its msg, and back, the result of module open_webui_former.
    """
    start = "Open WebUI %s did not become ready (%s: %s" % (wish.version, failed["task"], failed["msg"])
    if not seen["container"]["exists"]:
        say = "%s); `docker logs %s` on the host says why. There was no earlier container to go back to." % (start, wish.container)
        return [problem("not_ready", "open_webui_version", say)]
    before, back = seen["container"]["version"] or wish.version, failed["back"]
    serves = "serving at " + address.local_url(wish)
    if not back["answers"]:
        serves = "started, but does not answer yet (%s)," % back["why"]
    return [
        problem(
            "rolled_back",
            "open_webui_version",
            "%s; its log is %s). Open WebUI %s is back and %s %s." % (start, failed_log(wish), before, serves, _with_which_data(back)),
        )
    ]


def _with_which_data(back: dict) -> str:
    if not back["saved"]:
        return "with its database untouched"
    about = back["about"]
    chats = "" if about["chats"] is None else "%d chats, " % about["chats"]
    return "with the database of %s (%skept in %s)" % (about["saved_at"], chats, back["saved"])
