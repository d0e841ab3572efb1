# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway answers itself: lists of models, and its refusals as OpenAI's clients read them."""

from __future__ import annotations

import json

# Seconds after which a client may try again.
RETRY_AFTER = 5


def models_list(names) -> str:
    """/v1/models. Who made it and when is not known to a plan."""
    return _text({"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "llmfleet"} for name in names]})


def tags(rows: dict) -> str:
    """/api/tags. rows: name -> a Model of a host that holds it."""
    return _text(
        {
            "models": [
                {
                    "name": name,
                    "model": name,
                    "modified_at": "1970-01-01T00:00:00Z",
                    "size": 0,
                    "digest": row.digest.removeprefix("sha256:"),
                    "details": {
                        "parent_model": "",
                        "format": "gguf",
                        "family": "",
                        "families": None,
                        "parameter_size": row.parameter_size,
                        "quantization_level": row.quantization,
                    },
                }
                for name, row in rows.items()
            ]
        }
    )


def _text(content) -> str:
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")) + "\n"


def headers(status: int) -> list:
    """Beside the body of an error: what a client may do."""
    if status == 401:
        return [("WWW-Authenticate", "Bearer")]
    return [("Retry-After", "60" if status == 429 else str(RETRY_AFTER))] if status == 429 or status >= 500 else []


_KINDS = {401: "authentication_error", 429: "rate_limit_error"}


def refusal(status: int, code: str, message: str, param=None) -> str:
    """The body of an error. message may hold HAProxy's %[...], of which the values are made safe for JSON there."""
    kind = _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}, ensure_ascii=True)
