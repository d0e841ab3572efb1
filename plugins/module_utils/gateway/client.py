# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a gateway as its clients do. Python's standard library only, since it also runs on hosts."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.parse

# On the host of a web UI: its key for the gateway, and the folder of those whom it trusts, where the authority has the checksum of its subject as
# its name, as OpenSSL looks for it (openssl x509 -hash).
KEY_FILE = "gateway_key"
TRUST_FOLDER = "trust"
AUTHORITY_FILE = "5154f1d2.0"
PROMPT = "Say hello in one short sentence."
MAX_TOKENS = 64


class Unproved(Exception):
    """What a client would run into, as one sentence."""


class Unreachable(Unproved):
    """Nobody answered, or with a certificate of which this machine knows nothing."""


class Gateway:
    """url without a path; authority: the certificate to trust, '' for those that the machine trusts; own: it is asked on its own host, which needs no
    proof of who it is."""

    def __init__(self, url, authority="", timeout=300, own=False):
        self.url, self.timeout = url, timeout
        self.place = urllib.parse.urlsplit(url)
        self.trust = None
        self.is_ours = bool(authority)
        if self.place.scheme == "https":
            self.trust = ssl.create_default_context(cadata=authority or None)
            if own:
                self.trust.check_hostname = False
                self.trust.verify_mode = ssl.CERT_NONE

    def _connection(self):
        if self.trust:
            return http.client.HTTPSConnection(self.place.netloc, timeout=self.timeout, context=self.trust)
        return http.client.HTTPConnection(self.place.netloc, timeout=self.timeout)

    def ask(self, method, path, key="", body=None):
        """(status, JSON or {})."""
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = "Bearer " + key
        link = self._connection()
        try:
            link.request(method, path, None if body is None else json.dumps(body), headers)
            answer = link.getresponse()
            status, text = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as problem:
            if self.is_ours and isinstance(problem, ssl.SSLCertVerificationError):
                sentence = "%s shows a certificate that clients refuse: %s; run site.yml --tags gateway."
                raise Unproved(sentence % (self.url, problem.verify_message)) from problem
            raise Unreachable("%s does not answer: %s" % (self.url, problem or type(problem).__name__)) from problem
        finally:
            link.close()
        try:
            told = json.loads(text)
        except ValueError:
            told = {}
        return status, told if isinstance(told, dict) else {}


def reason(told):
    """OpenAI's sentence of an error, or Ollama's."""
    error = told.get("error")
    return str(error.get("message") or error) if isinstance(error, dict) else str(error or "no reason given")


def prove(gateway, key, model, embedding, prompt, max_tokens, answered_by=None):
    """What a client sees: that nobody comes in without a key, the list of models, and one answer. key: '' for a gateway that asks for none; answered_by:
    who asks for that answer instead of `answered`."""
    if key:
        status, _told = gateway.ask("GET", "/v1/models")
        if status != 401:
            sentence = "%s answers %d to a request without a key, not 401: whoever reaches it is let in; run site.yml --tags gateway."
            raise Unproved(sentence % (gateway.url, status))
    status, told = gateway.ask("GET", "/v1/models", key)
    if status != 200:
        raise Unproved("%s answers %d to its list of models: %s" % (gateway.url, status, reason(told)))
    models = [row["id"] for row in told.get("data") or ()]
    if model not in models:
        raise Unproved("%s does not offer %s, which the plans have; run site.yml --tags gateway." % (gateway.url, model))
    return {"models": models, **(answered_by or answered)(gateway, key, model, embedding, prompt, max_tokens)}


def answered(gateway, key, model, embedding, prompt, max_tokens):
    """One answer, and how long it took."""
    began = time.monotonic()
    if embedding:
        path, body = "/v1/embeddings", {"model": model, "input": prompt}
    else:
        path, body = "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens, "temperature": 0}
    status, told = gateway.ask("POST", path, key, body)
    if status != 200:
        raise Unproved("%s answers %d to %s for %s: %s" % (gateway.url, status, path, model, reason(told)))
    return {"answer": _words(told, embedding, gateway, model), "seconds": round(time.monotonic() - began, 3), "client": "http"}


def _words(told, embedding, gateway, model):
    """What was said. A reasoning model may reach its last token within its thoughts."""
    try:
        if embedding:
            said = "an embedding of %d numbers" % len(told["data"][0]["embedding"])
        else:
            message = told["choices"][0]["message"]
            said = message.get("content") or message.get("reasoning") or ""
    except (KeyError, IndexError, TypeError):
        said = ""
    if not said.strip():
        raise Unproved("%s answered for %s with nothing." % (gateway.url, model))
    return said.strip()
