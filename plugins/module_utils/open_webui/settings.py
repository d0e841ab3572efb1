# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change between the settings that Open WebUI has and those that are wanted. Pure functions."""

from __future__ import annotations

# Of a connection's settings these are ours; others (tags, model_ids, …) stay as the administrator set them.
MANAGED = ("enable", "prefix_id", "key", "connection_type")


def current_backends(config: dict) -> list:
    """Open WebUI keeps addresses and settings apart and joins them by position; very old databases by address."""
    settings = config.get("OLLAMA_API_CONFIGS") or {}
    return [
        (url.rstrip("/"), settings.get(str(index), settings.get(url, {})) or {})
        for index, url in enumerate(config.get("OLLAMA_BASE_URLS") or [])
    ]


def wanted_config(config: dict, backends: list) -> dict:
    """The body that makes Open WebUI serve exactly these backends, in this order."""
    known = dict(current_backends(config))
    urls, settings = [], {}
    for index, backend in enumerate(backends):
        url = backend["url"].rstrip("/")
        urls.append(url)
        settings[str(index)] = {
            **known.get(url, {}),
            "enable": True,
            "prefix_id": backend.get("prefix_id") or "",
            "key": backend.get("key") or "",
            "connection_type": backend.get("connection_type") or "local",
        }
    return {"ENABLE_OLLAMA_API": True, "OLLAMA_BASE_URLS": urls, "OLLAMA_API_CONFIGS": settings}


def same_backends(config: dict, wanted: dict) -> bool:
    if not config.get("ENABLE_OLLAMA_API"):
        return False
    have, want = current_backends(config), current_backends(wanted)
    return [url for url, _config in have] == [url for url, _config in want] and all(
        _effective(one) == _effective(other) for (_one_url, one), (_other_url, other) in zip(have, want)
    )


def shown_backends(config: dict) -> list:
    """Backends for a diff: a key is only there or not."""
    shown = []
    for url, settings in current_backends(config):
        entry = {"url": url, "prefix_id": settings.get("prefix_id") or "", "enable": settings.get("enable", True)}
        if settings.get("key"):
            entry["key"] = "set"
        shown.append(entry)
    return shown


def setting_changes(have: dict, want: dict) -> dict:
    """The wanted settings that differ. One that this release does not know is an error of the caller."""
    unknown = sorted(set(want) - set(have))
    if unknown:
        raise ValueError(f"Open WebUI knows no setting {', '.join(unknown)}; it has {', '.join(sorted(have))}")
    return {name: value for name, value in want.items() if have[name] != value}


def user_changes(have: dict, want: dict) -> dict:
    """What to update of an existing user; passwords are another matter, they cannot be read."""
    return {name: want[name] for name in ("name", "role") if want.get(name) and have.get(name) != want[name]}


def _effective(settings: dict) -> dict:
    defaults = {"enable": True, "prefix_id": "", "key": "", "connection_type": "local"}
    return {name: settings.get(name) if settings.get(name) is not None else defaults[name] for name in MANAGED}
