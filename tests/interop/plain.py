"""Messages as the JSON of the vectors has them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Callable, Dict

from nodelock_format import forms, messages, release

_OUTCOMES = ("returned", "held")
_BINDINGS = ("proof", "code")


def _fingerprint(value: Dict[str, Any]) -> Dict[str, Any]:
    tags = [{"component": component, "tag": tag.hex()} for component, tag in value["tags"]]
    return {**value, "tags": tags}


def _policy(value: Dict[str, Any]) -> Dict[str, Any]:
    return {**value, "weights": [list(weight) for weight in value["weights"]]}


_SPECIAL: Dict[str, Callable[[Any], Any]] = {
    "handle": release.handle_text,
    "device_key": forms.base64url,
    "issuer": forms.base64url,
    "metadata": lambda pairs: [list(pair) for pair in pairs],
    "fingerprint": _fingerprint,
    "baseline": _fingerprint,
    "policy": _policy,
    "outcome": lambda value: _OUTCOMES[value[0]],
    "binding": lambda value: {"to": _BINDINGS[value[0]], "digest": value[1].hex()},
}


def _plain(name: str, value: Any) -> Any:
    if name in _SPECIAL:
        return _SPECIAL[name](value)
    if isinstance(value, dict):
        return {inner: _plain(inner, item) for inner, item in value.items()}
    return value.hex() if isinstance(value, bytes) else value


def fields(message: Any) -> Dict[str, Any]:
    """The fields of a message, with what its known extensions say and without the others."""
    plain = {name: _plain(name, value) for name, value in asdict(message).items() if name != "extensions"}
    if isinstance(message, messages.ActivationRequest):
        plain["replaces"] = None if message.replaces is None else release.handle_text(message.replaces)
    if isinstance(message, (messages.ActivationRequest, messages.CheckInRequest)):
        plain["description"] = [list(pair) for pair in message.description]
    return plain
