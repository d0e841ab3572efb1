# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory asks for (llm_models, llm_policy), checked before anything is planned.

Each problem is one sentence with the variable and the way out.
"""

from __future__ import annotations

import collections

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import MIB
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import FIT_MARGIN_BYTES

from .. import data
from ..errors import BadInput
from ..source import catalogue

DEFAULT_CONTEXT = 8192
_LADDER = (1048576, 524288, 262144, 131072, 98304, 65536, 49152, 32768, 24576, 16384, 12288, 8192, 6144, 4096, 3072, 2048, 1024, 512)
_ITEM_KEYS = ("family", "model", "name", "from", "parameters", "context", "min_context", "digest", "quantizations", "require_gpu", "replicas", "keep_warm")
_POLICY_KEYS = (
    "parallel",
    "kv_cache_types",
    "allow_partial_offload",
    "allow_experts_in_ram",
    "allow_cpu",
    "reserve_bytes",
    "resident",
    "fit_margin_bytes",
    "min_tokens_per_second",
    "min_offload_share",
    "quantizations",
)
_SMALLEST_MARGIN = 512 * MIB
_FORMER = {"cpu_min_tokens_per_second": "min_tokens_per_second"}

# context, min_context: None where nobody wrote them; replicas: None for every host; only: the tag that was chosen for the fleet, None where the host chooses
Want = collections.namedtuple(
    "Want", "position where item kind target context min_context own_context managed parameters quantizations require_gpu replicas only keep_warm"
)
Policy = collections.namedtuple("Policy", " ".join(_POLICY_KEYS))


def _integer(value, where, minimum=1):
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).strip().lstrip("-").isdigit():
        raise BadInput("%s is '%s': write a whole number" % (where, value))
    if int(value) < minimum:
        raise BadInput("%s is %s: write %d or more" % (where, value, minimum))
    return int(value)


def _number(value, where, such_as):
    """A number that is not negative; None stays None."""
    try:
        number = None if value is None else float(value)
    except (TypeError, ValueError):
        number = -1.0
    if number is not None and (isinstance(value, bool) or not 0 <= number < float("inf")):
        raise BadInput("%s is '%s': write a number that is not negative, such as %g" % (where, value, such_as))
    return number


def _boolean(value, where):
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "yes", "on", "1"):
        return True
    if str(value).lower() in ("false", "no", "off", "0"):
        return False
    raise BadInput("%s is '%s': write true or false" % (where, value))


def _unknown_key(key, where, known):
    close = catalogue.near(key, known)
    return BadInput("%s has no '%s': %s" % (where, key, "did you mean %s?" % close[0] if close else "write one of %s" % ", ".join(known)))


def policy(given):
    given = dict(given or {})
    for key in given:
        if key in _FORMER:
            raise BadInput("llm_policy.%s is called %s now, and holds for hosts with a GPU too: write that" % (key, _FORMER[key]))
        if key not in _POLICY_KEYS:
            raise _unknown_key(key, "llm_policy", _POLICY_KEYS)
    kinds = given.get("kv_cache_types") or ["f16", "q8_0"]
    if isinstance(kinds, str):
        kinds = [kinds]
    for i, kind in enumerate(kinds):
        if kind not in ("f16", "q8_0", "q4_0"):
            raise BadInput("llm_policy.kv_cache_types[%d] is '%s': Ollama knows f16, q8_0 and q4_0" % (i, kind))
    resident = given.get("resident", "all")
    if resident not in ("all", "one"):
        raise BadInput("llm_policy.resident is '%s': write all (every model stays loaded) or one (they are loaded in turns)" % resident)
    margin = _integer(given.get("fit_margin_bytes", FIT_MARGIN_BYTES), "llm_policy.fit_margin_bytes", 0)
    if margin < _SMALLEST_MARGIN:
        raise BadInput("llm_policy.fit_margin_bytes is %d: write %d (512 MiB) or more" % (margin, _SMALLEST_MARGIN))
    partly = given.get("allow_partial_offload")
    return Policy(
        parallel=_integer(given.get("parallel", 1), "llm_policy.parallel"),
        kv_cache_types=tuple(dict.fromkeys(kinds)),
        # None: as true, and nobody has said so
        allow_partial_offload=None if partly is None else _boolean(partly, "llm_policy.allow_partial_offload"),
        allow_experts_in_ram=_boolean(given.get("allow_experts_in_ram", True), "llm_policy.allow_experts_in_ram"),
        allow_cpu=_boolean(given.get("allow_cpu", True), "llm_policy.allow_cpu"),
        reserve_bytes=_integer(given.get("reserve_bytes", 0), "llm_policy.reserve_bytes", 0),
        resident=resident,
        fit_margin_bytes=margin,
        min_tokens_per_second=_number(given.get("min_tokens_per_second"), "llm_policy.min_tokens_per_second", 10),
        min_offload_share=_number(given.get("min_offload_share", 0), "llm_policy.min_offload_share", 0.8),
        quantizations=_quantizations(given.get("quantizations"), "llm_policy.quantizations"),
    )


def _quantizations(value, where):
    if not value:
        return ()
    known = data.load("quality")["weight_types"]
    names = [value] if isinstance(value, str) else list(value)
    for name in names:
        if str(name).upper() not in known:
            raise BadInput("%s names '%s': write one of %s" % (where, name, ", ".join(known)))
    return tuple(str(name).upper() for name in names)


def _one(item, position):
    where = "llm_models[%d]" % position
    if isinstance(item, str):
        item = {"model": item}
    if not isinstance(item, dict):
        raise BadInput("%s is neither a model's name nor a mapping: write '- family: deepseek-r1' or '- model: llama3.2:3b'" % where)
    for key in item:
        if key not in _ITEM_KEYS:
            raise _unknown_key(key, where, _ITEM_KEYS)
    managed = item.get("name") if item.get("from") else None
    if item.get("from") and not item.get("name"):
        raise BadInput("%s has 'from' and no 'name': write the name that the model made from %s shall get" % (where, item["from"]))
    kinds = [key for key in ("family", "model", "from") if item.get(key)]
    if item.get("name") and not kinds:
        raise BadInput("%s has a 'name' only: write 'model: %s' for a tag, or add 'from'" % (where, item["name"]))
    if len(kinds) != 1:
        raise BadInput("%s must have exactly one of family, model, from; it has %s" % (where, ", ".join(kinds) or "none"))
    kind = kinds[0]
    parameters = item.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise BadInput("%s.parameters is no mapping: write for example {num_predict: 300}" % where)
    if parameters and not managed:
        raise BadInput("%s has parameters for a model that it does not own: add 'name' and 'from' to make one with them" % where)
    if parameters.get("num_gpu") is not None:
        parameters = dict(parameters, num_gpu=_integer(parameters["num_gpu"], where + ".parameters.num_gpu", -1))
    own = _integer(parameters["num_ctx"], where + ".parameters.num_ctx") if parameters.get("num_ctx") else None
    context = _integer(item["context"], where + ".context") if item.get("context") is not None else None
    least = _integer(item["min_context"], where + ".min_context") if item.get("min_context") is not None else None
    if context is None and least is not None:
        context = max(DEFAULT_CONTEXT, least)
    if least is not None and least > context:
        raise BadInput("%s.min_context is %d, more than its context %d: write %d or less" % (where, least, context, context))
    return Want(
        position,
        where,
        dict(item),
        "family" if kind == "family" else "model",
        str(item[kind]),
        context,
        least,
        own,
        managed,
        parameters,
        _quantizations(item.get("quantizations"), where + ".quantizations"),
        _boolean(item.get("require_gpu", False), where + ".require_gpu"),
        _integer(item["replicas"], where + ".replicas") if item.get("replicas") is not None else None,
        None,
        _boolean(item.get("keep_warm", False), where + ".keep_warm"),
    )


_READ = {}  # the list that was read last, by its text: most hosts of a fleet have the same one


def wants(models):
    """(wants, errors) of llm_models."""
    if not isinstance(models, (list, tuple)):
        return [], ["llm_models is no list: write '- family: deepseek-r1' below it"]
    text = repr(models)
    if text not in _READ:
        _READ.clear()
        _READ[text] = _read(models)
    found, errors = _READ[text]
    return list(found), list(errors)


def _read(models):
    found, errors = [], []
    for position, item in enumerate(models):
        try:
            found.append(_one(item, position))
        except BadInput as problem:
            errors.append(str(problem))
    return found, errors


def families(given):
    """{name: tags, best first} of llm_families."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise BadInput("llm_families is no mapping: write for example 'house: [qwen3:14b, qwen3:8b]' below it, the best tag first")
    found = {}
    for name, tags in given.items():
        where = "llm_families.%s" % name
        if not isinstance(tags, (list, tuple)) or not tags:
            raise BadInput("%s is no list of tags: write the best one first, such as [qwen3:14b, qwen3:8b]" % where)
        for i, tag in enumerate(tags):
            if not isinstance(tag, str) or not tag:
                raise BadInput("%s[%d] is '%s': write a tag such as 14b, or a name with one such as qwen3:14b" % (where, i, tag))
        twice = next((tag for tag in tags if tags.count(tag) > 1), None)
        if twice:
            raise BadInput("%s names '%s' twice: write it where it belongs in the order of quality" % (where, twice))
        found[str(name)] = tuple(str(tag) for tag in tags)
    return found


def ladder(most, least):
    """Contexts to try, from what is wanted down to what is needed."""
    return [most] + [step for step in _LADDER if least < step < most] + ([least] if least < most else [])
