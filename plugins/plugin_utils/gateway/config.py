# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's files: HAProxy's configuration, the maps beside it, and the unit. Only names that were checked get into them.

The configuration is for HAProxy 2.6 (Debian 12) to 3.x. Decisions of one request, in their order: who comes from where, which path, whose key, how
large, which model, whether the key may have it, how often; then the backend of that model, one server for each host that holds it.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway import host as there
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway import runtime
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.address import address_sets

from . import answers
from .fleet import Fleet, proxy_names
from .wish import Key, certificate_of

# An instance of its own, so that another HAProxy of the host stays as it is.
FOLDER = there.FOLDER
UNIT = "/etc/systemd/system/llmfleet-gateway.service"
HAPROXY = "/usr/sbin/haproxy"
# Beside the body a buffer holds the headers, and HAProxy keeps a part of it free.
HEADERS_BYTES = 64 << 10
# Of a request's headers and of its address each. Both lie in the buffer before the body: with more of them the end of a body would not be seen here.
HEAD_BYTES = 24 << 10
# Of what a client sent, in messages and in the log.
SHOWN = 200
# Above this the request counts as a large one, of which there may be few at once; clients that do not tell the length count as large.
LARGE_BYTES = 1 << 20
# One request may hold its body and a part of the answer.
BUFFERS = 2
POSTS = ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show")
# Of the models that a refusal names; under which key the map has those of all families.
FEW = 12
ALL = "*"
# HAProxy's own numbers do not tell when it ends.
CERTIFICATE, ENDS = "certificate.prom", "llmfleet_gateway_certificate_end_seconds"
# Of a date and of a rate.
NEVER = 4102444800
# The name that a client has sent, safe within JSON.
ASKED = "%%[var(txn.model),bytes(0,%d),json(utf8s)]" % SHOWN


@dataclasses.dataclass(frozen=True)
class Room:
    """How many connections, and how many large requests of them, fit half of the machine's memory."""

    connections: int
    large: int


def room(wish: dict, memory_bytes: int | None) -> Room:
    if not memory_bytes:
        return Room(wish["max_connections"], 16)
    quarter = memory_bytes // 4
    connections = max(16, quarter // (BUFFERS * (LARGE_BYTES + HEADERS_BYTES)))
    return Room(min(wish["max_connections"], connections), max(1, quarter // (BUFFERS * (wish["max_body_bytes"] + HEADERS_BYTES))))


def files(wish: dict, keys: list[Key], fleet: Fleet, allowed: Room, ends: int | None = None) -> dict:
    """Name of each file in the gateway's folder -> content. ends: of the certificate that HAProxy is to show, in seconds since 1970."""
    holders = fleet.holders()
    served_as = fleet.served_as()
    names = proxy_names(set(served_as.values()))
    proxies = {name: names[served_as[name]] for name in holders}
    rows = {name: held[0][1] for name, held in holders.items()}
    made = {
        "models.map": _map({**proxies, **{name.removesuffix(":latest"): proxy for name, proxy in proxies.items()}}),
        "near.map": _map(_near(holders)),
        "models.json": answers.models_list(holders),
        "tags.json": answers.tags(rows),
        "keys.map": _map({key.digest: key.name for key in keys}),
        "expires.map": _map({key.name: key.expires for key in keys if key.expires}),
        "rates.map": _map({key.name: key.requests_per_minute for key in keys if key.requests_per_minute}),
        "limited.map": _map({key.name: 1 for key in keys if key.models}),
        "allowed.map": _map({"%s|%s" % (key.name, name): 1 for key in keys for model in key.models for name in (model, model.removesuffix(":latest"))}),
    }
    for key in keys:
        if not key.models:
            continue
        mine = {name: row for name, row in rows.items() if name in key.models}
        made["models-%s.json" % key.name] = answers.models_list(mine)
        made["tags-%s.json" % key.name] = answers.tags(mine)
    if ends:
        made[CERTIFICATE] = "# HELP %s When the gateway's certificate ends, in seconds since 1970.\n# TYPE %s gauge\n%s %d\n" % (*(ENDS,) * 3, ends)
    made["haproxy.cfg"] = _configuration(wish, keys, fleet, allowed, bool(ends))
    return made


def _map(rows: dict) -> str:
    return "".join("%s %s\n" % row for row in sorted(rows.items()))


def _near(holders: dict) -> dict:
    """The first part of a name -> the models that have it."""
    found: dict = {ALL: list(holders)}
    for name in holders:
        found.setdefault(name.partition(":")[0], []).append(name)
    return {first: ", ".join([*names[:FEW], *(["..."] if len(names) > FEW else [])]) for first, names in found.items()}


def _refuse(status: int, code: str, message: str, condition: str, param=None) -> str:
    """A rule that ends the request. Within HAProxy's double quotes, where %[...] is a value of the request."""
    words = ['http-request return status %d content-type application/json lf-string "%s"' % (status, _quoted(answers.refusal(status, code, message, param)))]
    words += ['hdr "%s" "%s"' % header for header in answers.headers(status)]
    return "%s if %s" % (" ".join(words), condition)


def _error(status: int, code: str, message: str) -> str:
    """What HAProxy says where it is HAProxy that gives up, as _refuse says it."""
    words = ['http-error status %d content-type application/json lf-string "%s"' % (status, _quoted(answers.refusal(status, code, message)))]
    return " ".join([*words, *('hdr "%s" "%s"' % header for header in answers.headers(status))])


def _quoted(body: str) -> str:
    return body.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")


def _indented(*lines: str) -> list:
    return ["    " + line for line in lines if line]


def _configuration(wish: dict, keys: list[Key], fleet: Fleet, allowed: Room, certificate: bool) -> str:
    limited = [key for key in keys if key.models]
    api = [
        *(_key() if keys else _indented("# gateway_keys is empty: everybody who reaches the port.")),
        *_path(limited),
        *_size(wish, allowed),
        *_model(),
        *(_limits() if limited else []),
        *_backend_of(),
    ]
    told = 'http-request return status 200 content-type "text/plain; version=0.0.4" file %s/%s if { path /certificate }'
    sections = [
        [
            "# Written by role llmfleet.ollama.gateway from the plans of the fleet: what is changed here is lost with the next run.",
            "global",
            *_global(wish, allowed),
        ],
        ["defaults", *_defaults(wish)],
        [
            "frontend %s" % runtime.FRONTEND,
            *_door(wish, fleet),
            *(_pages(bool(keys)) if wish["web_ui"] else []),
            *(_for_api(api) if wish["web_ui"] else api),
            *(_indented("default_backend web_ui") if wish["web_ui"] else []),
        ],
        _redirect(wish),
        [
            "frontend metrics",
            *_indented(
                "bind 127.0.0.1:%d" % wish["metrics_port"],
                "no log",
                "http-request use-service prometheus-exporter if { path /metrics }",
                told % (FOLDER, CERTIFICATE) if certificate else "",
                'http-request return status 200 content-type text/plain string "llmfleet gateway is running" if { path /healthz }',
                "http-request return status 404",
            ),
        ],
        ["# How often each key asks.", "backend rates", *_indented("stick-table type string len 64 size 10k expire 2m store http_req_rate(60s)")],
        ["# How many large requests there are.", "backend large", *_indented("stick-table type integer size 1 expire 60m store conn_cur")],
        _hosts(fleet),
        _web_ui(wish, fleet) if wish["web_ui"] else [],
    ]
    holders = fleet.holders()
    sections += [_backend(wish, model, proxy, holders[model]) for model, proxy in proxy_names(set(fleet.served_as().values())).items()]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def encrypted(wish: dict) -> bool:
    return certificate_of(wish) != "none"


def _bind(wish: dict, port: int) -> str:
    words = "bind %s:%d" % ("[%s]" % wish["host"] if ":" in wish["host"] else wish["host"], port)
    return words + (" v4v6" if wish["host"] == "::" else "")


def _redirect(wish: dict) -> list:
    if not wish["redirect_port"]:
        return []
    # Without the port; an IPv6 address has colons of its own.
    location = """'https://%%[req.hdr(host),regsub(":[0-9]+$","")]:%d%%[pathq]'""" % wish["port"]
    return ["frontend redirect", *_indented(_bind(wish, wish["redirect_port"]), "http-request redirect location %s code 308" % location)]


def _global(wish: dict, allowed: Room) -> list:
    return _indented(
        "# A line is whole, whatever the client has sent.",
        "log stdout len 4096 format raw daemon info",
        "user haproxy",
        "group haproxy",
        "chroot /var/lib/haproxy",
        "# The requests of language models are few, and each thread has some buffers of its own.",
        "nbthread 2",
        "maxconn %d" % allowed.connections,
        "tune.bufsize %d" % (wish["max_body_bytes"] + HEADERS_BYTES),
        "tune.maxrewrite 1024",
        "stats socket %s mode 600 level admin expose-fd listeners" % runtime.SOCKET,
        "ssl-default-bind-options ssl-min-ver TLSv1.2" if encrypted(wish) else "",
    )


def _defaults(wish: dict) -> list:
    # A client that tries again, as OpenAI's does by itself, comes to another host: the one that broke off is out by then.
    broken = "The host %[srv_name] broke off before its answer began; try again."
    late = "The host %%[srv_name] did not answer within %d seconds (gateway_timeout_seconds)." % wish["timeout_seconds"]
    return _indented(
        "mode http",
        "log global",
        "option dontlognull",
        "# One connection of HTTP/2 would be a hundred requests, and the buffers are counted by connections.",
        "option disable-h2-upgrade",
        "# An answer is passed on word by word.",
        "option http-no-delay",
        "# A host that was asked before may have ended that connection meanwhile.",
        "option http-server-close",
        "# Another host where one cannot be reached.",
        "option redispatch 1",
        "retries 2",
        "retry-on %s" % _tried_again(wish),
        "timeout connect 3s",
        "timeout check 5s",
        "timeout http-request 10s",
        "timeout http-keep-alive 60s",
        "timeout queue %ds" % wish["queue_seconds"],
        "timeout client %ds" % wish["timeout_seconds"],
        "timeout server %ds" % wish["timeout_seconds"],
        _error(408, "request_timeout", "The request did not come within its time."),
        _error(502, "bad_gateway", broken),
        _error(503, "overloaded", "No host took the request in time: all that hold the model are busy or out of reach. Try again."),
        _error(504, "timeout", late),
    )


def _tried_again(wish: dict) -> str:
    """What is worth another host. To send a request a second time HAProxy copies the whole of its buffer before the first: with buffers of 32 MiB that
    took 200 ms a request on two cores, with 1 MiB one, and without it there was nothing to measure."""
    return "conn-failure empty-response 503" if wish["max_body_bytes"] <= LARGE_BYTES else "conn-failure"


def _door(wish: dict, fleet: Fleet) -> list:
    """Who comes in at all."""
    bind = _bind(wish, wish["port"])
    if encrypted(wish):
        bind += " ssl crt %s/tls/gateway.pem alpn http/1.1" % FOLDER
    admitted = address_sets(["127.0.0.0/8", "::1", *wish["allowed_cidrs"], *fleet.admitted])
    who = " ".join([*admitted["ipv4"], *admitted["ipv6"]])
    return _indented(
        bind,
        "tcp-request connection reject unless { src_is_local } || { src %s }" % who if wish["allowed_cidrs"] else "",
        "# One line of JSON for each request; a key is told by its name.",
        'log-format "%s"' % _quoted(LOG),
        "http-request set-var(txn.key) str(-)",
        "http-request set-var(txn.asks) path",
        'http-request return status 200 content-type text/plain string "llmfleet gateway is running" if { path %s/healthz }' % ("" if wish["web_ui"] else "/ "),
    )


# Paths of the API that no page of Open WebUI has; the last ones are refused here as without a page.
API = (*POSTS, "/v1", "/api/tags", "/api/ps", "/healthz", "/api/pull", "/api/push", "/api/create", "/api/delete", "/api/copy")


def _pages(keys: bool) -> list:
    """What is for Open WebUI: whatever is not for the API. /api/version is a path of both, and who comes with a key of the gateway means the API's."""
    known = "http_auth_bearer,sha2(256),hex,map_str(%s/keys.map) -m found" % FOLDER
    return _indented(
        "# Whether it is for Open WebUI.",
        "http-request set-var(txn.page) bool(true) unless { path_beg /v1/ /api/blobs/ } or { path %s }" % " ".join(API),
        "http-request unset-var(txn.page) if { path /api/version } { %s }" % known if keys else "",
        "acl page var(txn.page) -m bool",
    )


def _for_api(lines: list) -> list:
    """Rules of the API, which hold for no page."""
    made = []
    for line in lines:
        rule, found, condition = line.rpartition(" if ")
        if not line.strip().startswith(("http-request ", "use_backend ")):
            made.append(line)
        elif found:
            made.append("%s if %s" % (rule, " or ".join("!page " + part for part in condition.split(" or "))))
        else:
            made.append(line + " if !page")
    return made


def _web_ui(wish: dict, fleet: Fleet) -> list:
    """Its connection for what is said while it is said lasts as long as the page is open."""
    return [
        "backend web_ui",
        *_indented(
            "balance source",
            "option httpchk GET /health",
            "http-check expect status 200",
            "option forwardfor",
            "http-request set-header X-Forwarded-Proto %s" % ("https" if encrypted(wish) else "http"),
            "timeout tunnel 1h",
            "default-server check inter 5s fall 2 rise 1 init-addr libc,none",
            *("server %s %s" % page for page in fleet.pages),
        ),
    ]


def _key() -> list:
    """Whose key, and how often it comes."""
    return _indented(
        "# Whose key.",
        "http-request set-var(txn.token) http_auth_bearer",
        "http-request set-var(txn.token) req.hdr(x-api-key) if !{ var(txn.token) -m found }",
        _refuse(401, "missing_api_key", "A key is needed: send it as Authorization: Bearer KEY.", "!{ var(txn.token) -m found }"),
        "http-request set-var(txn.key) var(txn.token),sha2(256),hex,map_str(%s/keys.map,*)" % FOLDER,
        "http-request unset-var(txn.token)",
        _refuse(401, "invalid_api_key", "This key is not known here.", "{ var(txn.key) -m str * }"),
        "http-request set-var(txn.expires) var(txn.key),map_str_int(%s/expires.map,%d)" % (FOLDER, NEVER),
        _refuse(401, "expired_api_key", "The key %[var(txn.key)] has expired.", "{ date,sub(txn.expires) ge 0 }"),
        "http-request track-sc0 var(txn.key) table rates",
        "http-request set-var(txn.rate) var(txn.key),map_str_int(%s/rates.map,%d)" % (FOLDER, NEVER),
        _refuse(429, "rate_limit_exceeded", "The key %[var(txn.key)] may ask %[var(txn.rate)] times a minute.", "{ sc0_http_req_rate,sub(txn.rate) gt 0 }"),
    )


def _path(limited: list[Key]) -> list:
    """What is asked for. The lists are the gateway's own, since the plans know also the models of hosts that are down."""
    mine = [("{ var(txn.key) -m str %s }" % key.name, "-%s.json" % key.name) for key in limited]
    return _indented(
        "# Which path. Nothing that changes what a host holds is passed on.",
        "acl lists path /v1/models /api/tags",
        "acl one_model path_beg /v1/models/",
        "acl version path /api/version",
        "acl posts path %s" % " ".join(POSTS),
        "acl posts path_reg ^/v1/[a-z_]+(/[a-z_]+)*$",
        "acl reads method GET HEAD",
        _refuse(404, "not_offered", "/api/ps of a fleet is not offered: ask a host.", "{ path /api/ps }"),
        _refuse(403, "path_not_allowed", "The gateway does not pass on %[method] %[path,json(utf8s)].", "!lists !one_model !version !posts"),
        _refuse(
            405,
            "method_not_allowed",
            "%[path,json(utf8s)] does not take %[method].",
            "lists !reads or one_model !reads or version !reads or posts !lists !one_model !{ method POST }",
        ),
        *(
            "http-request return status 200 content-type application/json file %s/%s%s if { path %s } %s" % (FOLDER, what, whose, path, condition)
            for condition, whose in [*mine, ("", ".json")]
            for what, path in (("models", "/v1/models"), ("tags", "/api/tags"))
        ),
    )


def _size(wish: dict, allowed: Room) -> list:
    """Buffers stay within the memory. A length that is not told is found out by reading."""
    head = "The address, or the headers, of the request are larger than %d bytes." % HEAD_BYTES
    coded = "The gateway reads the model in the body: send that without Content-Encoding."
    too_large = "request_too_large", "The request is larger than %d bytes (gateway_max_body_bytes)." % wish["max_body_bytes"]
    return _indented(
        "# How large.",
        _refuse(431, "head_too_large", head, "{ url,length gt %d } or { req.hdrs,length gt %d }" % (HEAD_BYTES, HEAD_BYTES)),
        _refuse(415, "encoding_not_supported", coded, "posts { req.hdr(content-encoding) -m found }"),
        _refuse(413, *too_large, "{ req.hdr_val(content-length) gt %d }" % wish["max_body_bytes"]),
        "acl large req.hdr_val(content-length) gt %d" % LARGE_BYTES,
        "acl large req.fhdr(transfer-encoding) -m found",
        "http-request track-sc1 int(1) table large if posts large",
        _refuse(503, "overloaded", "Too many large requests at once; try again.", "{ sc1_conn_cur gt %d }" % allowed.large),
        "http-request wait-for-body time 60s if posts",
        _refuse(413, *too_large, "posts { req.body_size gt %d }" % wish["max_body_bytes"]),
    )


def _model() -> list:
    return _indented(
        "# Which model: `model`, else `name` as older clients say it. Names are compared as Ollama does, and `x` is `x:latest`.",
        "http-request set-var(txn.model) req.body,json_query('$.model'),lower if posts",
        "http-request set-var(txn.by_name) bool(true) if posts !{ var(txn.model) -m len 1: }",
        "http-request set-var(txn.model) req.body,json_query('$.name'),lower if posts { var(txn.by_name) -m bool }",
        'http-request set-var(txn.model) path,regsub("^/v1/models/",""),url_dec,lower if one_model',
        _refuse(400, "model_missing", "The request names no model.", "posts !{ var(txn.model) -m len 1: }", "model"),
        "http-request set-var(txn.backend) var(txn.model),map_str(%s/models.map)" % FOLDER,
    )


def _limits() -> list:
    """What a key of some models may ask for. A body that names its model in a second way could mean another one to the host than to the gateway:
    Go takes the last of two equal names, and does not mind their case. So the whole body must be seen to have one: PCRE gives up after some millions of
    steps, which looks as if it had found nothing."""
    ambiguous = "The key %[var(txn.key)] is for some models only, and the request could name another one: write model once, and no letter as an escape."
    return _indented(
        "# Whether the key may have it.",
        "acl limited var(txn.key),map_str(%s/limited.map) -m found" % FOLDER,
        "http-request set-var(txn.may) var(txn.key),concat(|,txn.model),map_str(%s/allowed.map,*) if limited" % FOLDER,
        _refuse(403, "model_not_allowed", "The key %%[var(txn.key)] is not for the model %s." % ASKED, "limited { var(txn.may) -m str * }", "model"),
        "acl one_name req.body -m reg -i '%s'" % _once("model", "model"),
        "acl one_old_name req.body -m reg -i '%s'" % _once("name", "model|name"),
        """acl hidden_name req.body -m reg -i '\\\\u00[46]'""",
        "acl by_name var(txn.by_name) -m bool",
        _refuse(
            400,
            "model_ambiguous",
            ambiguous,
            "limited posts hidden_name or limited posts !by_name !one_name or limited posts by_name !one_old_name",
            "model",
        ),
    )


def _once(name: str, among: str) -> str:
    """A body in which one of these names is there, once; whatever the length, PCRE goes back nowhere."""
    others = '[^"]*+(?:"(?!(?:%s)"\\s*:)[^"]*+)*+' % among
    return '^%s"%s"\\s*:%s$' % (others, name, others)


def _backend_of() -> list:
    near = "var(txn.model),field(1,:),map_str(%s/near.map)" % FOLDER
    nobody = "No host holds the model %s. There is: %%[var(txn.near)]." % ASKED
    known = _quoted('{"id":"%s","object":"model","created":0,"owned_by":"llmfleet"}' % ASKED)
    return _indented(
        "# Who holds it.",
        "http-request set-var(txn.near) str(%s),map_str(%s/near.map)" % (ALL, FOLDER),
        "http-request set-var(txn.near) %s if { %s -m found }" % (near, near),
        _refuse(404, "model_not_found", nobody, "{ var(txn.model) -m found } !{ var(txn.backend) -m found }", "model"),
        'http-request return status 200 content-type application/json lf-string "%s" if one_model' % known,
        "# A server that listens on the loopback alone answers to this name only; keys end here.",
        "http-request set-header Host localhost",
        "http-request del-header Authorization",
        "http-request del-header x-api-key",
        "use_backend hosts if version",
        "use_backend %[var(txn.backend)] if posts",
    )


def _hosts(fleet: Fleet) -> list:
    """For what any host can answer."""
    return ["backend hosts", *_indented(*_HEALTH, *("server %s %s" % (host.server, host.address) for host in fleet.hosts))]


# A refused connection takes a host out at once: a request that finds it gone, and the others full, must wait for those instead of asking it again.
# Followed by a server of another backend (`track`) a host would only be out with the next check.
_HEALTH = (
    "balance leastconn",
    "option httpchk GET /api/version",
    "http-check expect status 200",
    "default-server check inter 2s fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down init-addr libc,none",
)


def _backend(wish: dict, model: str, proxy: str, held: list) -> list:
    full = "All hosts that hold the model %s are busy and %d requests wait; try again." % (model, wish["queue_requests"])
    return [
        "backend %s" % proxy,
        *_indented(
            *_HEALTH,
            _refuse(503, "no_healthy_host", "No host that holds the model %s answers at the moment." % model, "{ nbsrv eq 0 }"),
            _refuse(503, "overloaded", full, "{ queue ge %d }" % wish["queue_requests"]),
            *("server %s %s maxconn %d" % (host.server, host.address, found.parallel) for host, found in held),
        ),
    ]


LOG = (
    '{"time_ms":%[date(0,ms)],"client":"%ci","key":"%[var(txn.key)]","method":"%HM",'
    f'"path":"%[var(txn.asks),bytes(0,{SHOWN}),json(utf8s)]","model":"{ASKED}",'
    '"host":"%s","status":%ST,"queue_ms":%Tw,"first_byte_ms":%Tr,"total_ms":%Ta,"bytes":%B,"retries":"%rc","end":"%ts"}'
)


def unit() -> str:
    return "\n".join(
        [
            "# Written by role llmfleet.ollama.gateway.",
            "[Unit]",
            "Description=One address for the fleet (HAProxy of llmfleet)",
            "After=network-online.target",
            "Wants=network-online.target",
            "",
            "[Service]",
            "Type=notify",
            "RuntimeDirectory=llmfleet-gateway",
            "ExecStartPre=%s -c -q -f %s/haproxy.cfg" % (HAPROXY, FOLDER),
            "ExecStart=%s -Ws -f %s/haproxy.cfg" % (HAPROXY, FOLDER),
            "ExecReload=%s -c -q -f %s/haproxy.cfg" % (HAPROXY, FOLDER),
            "# The processes from before end with their last stream.",
            "ExecReload=/bin/kill -USR2 $MAINPID",
            "KillMode=mixed",
            "SuccessExitStatus=143",
            "Restart=always",
            "LimitNOFILE=65536",
            "# Who has no key yet may still fill a buffer for each connection; what else the host does is not to suffer from it.",
            "MemoryMax=75%",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )
