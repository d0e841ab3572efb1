# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client of the fleet's gateway needs, for programs: .cache/lab/gateway.json."""

from __future__ import annotations

import json
import secrets

from .common import CACHE

URL = "https://172.30.77.10:8443"
# As somebody types it, in the folder of the checkout. So small a model may ramble for minutes, so its answer has an end.
CHAT = (
    'curl --cacert .cache/lab/gateway-authority.pem -H "Authorization: Bearer $(cat .cache/lab/gateway-key)" '
    f"{URL}/v1/chat/completions "
    """-d '{"model":"smollm2:135m","messages":[{"role":"user","content":"What is a library?"}],"max_tokens":80}'"""
)


def tell(cache=CACHE) -> None:
    """Write it. The key is the one that inventories/lab reads; the certificate comes with the first run of site.yml."""
    cache = cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / "gateway-key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    told = {"url": URL, "ca": str(cache / "gateway-authority.pem"), "key": path.read_text(encoding="ascii").strip()}
    file = cache / "gateway.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(told, indent=1) + "\n", encoding="ascii")


def forget(cache=CACHE) -> None:
    """The authority of a fleet that is gone: a new one has its own."""
    (cache / "gateway-authority.pem").unlink(missing_ok=True)
