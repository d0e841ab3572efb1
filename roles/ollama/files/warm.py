# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load the models that stay in memory, once the server answers: warm.py LIST. Runs on Linux and macOS; windows/warm.ps1 does the same."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request

# The server is on this machine, whatever proxy it has.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url, body=None, timeout=5):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with OPENER.open(request, timeout=timeout) as answer:
        return json.load(answer)


def wait(url, seconds):
    """Until the server answers."""
    last = time.monotonic() + seconds
    while True:
        try:
            return ask(url + "/api/version")
        except (OSError, ValueError):
            if time.monotonic() > last:
                raise
            time.sleep(1)


def load(url, model):
    """Why not, or nothing. An embedding model answers no prompt."""
    path, body = ("/api/embed", {"input": ""}) if model["embedding"] else ("/api/generate", {"stream": False})
    try:
        ask(url + path, {"model": model["name"], "keep_alive": -1, **body}, timeout=1800)
    except urllib.error.HTTPError as wrong:
        return "%s: %s" % (model["name"], wrong.read(400).decode("utf-8", "replace").strip() or wrong)
    except (OSError, ValueError) as wrong:
        return "%s: %s" % (model["name"], wrong)
    return ""


def main(path):
    with open(path, encoding="utf-8") as file:
        wanted = json.load(file)
    url = wanted["url"]
    wait(url, wanted["seconds"])
    # Where models take turns one that somebody uses is left alone.
    if wanted["turns"] and ask(url + "/api/ps").get("models"):
        return 0
    said = list(filter(None, [load(url, model) for model in wanted["models"]]))
    if said:
        print("; ".join(said), file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
