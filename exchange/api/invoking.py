"""What an operation is invoked with: the query of a GET, or a Parameters resource in the body of a POST.

https://hl7.org/fhir/R4/operations.html#executing
"""

from __future__ import annotations

from typing import Any

from exchange.api.answering import Asked
from exchange.api.messages import Call, Parameters, Refusal
from exchange.api.uploads import body_of
from exchange.model.records import Resource


def parameters_of(asked: Asked) -> Parameters:
    """Names and values, those of the body last; raises Refusal for what is no Parameters."""
    if asked.call.method != "POST" or not asked.call.body:
        return asked.parameters
    body = body_of(asked.call)
    if body.get("resourceType") != "Parameters":
        raise Refusal(400, "structure", "the body must be a Parameters resource")
    parts = body.get("parameter", [])
    if not isinstance(parts, list) or len(parts) > asked.service.limits.parameters:
        raise Refusal(400, "structure", "Parameters.parameter is a list, and not a long one")
    return (*asked.parameters, *(_pair(part) for part in parts))


def _pair(part: Any) -> tuple[str, str]:
    """A parameter as a URL would say it."""
    if not isinstance(part, dict) or not isinstance(part.get("name"), str):
        raise Refusal(400, "structure", "each parameter has a name and a value")
    values = [value for name, value in part.items() if name.startswith("value")]
    if len(values) != 1:
        raise Refusal(400, "structure", f"parameter {part['name']} needs one value of a simple type")
    text = _text(part["name"], values[0])
    if any(ord(character) < 32 for character in part["name"] + text):
        raise Refusal(400, "invalid", "parameters must not hold control characters")
    return part["name"], text


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict) and isinstance(value.get("code"), str):
        system = value.get("system")
        return f"{system}|{value['code']}" if isinstance(system, str) else str(value["code"])
    if isinstance(value, dict) and isinstance(value.get("coding"), list) and value["coding"]:
        return _text(name, value["coding"][0])
    if isinstance(value, (str, int, float)):
        return str(value)
    raise Refusal(400, "structure", f"parameter {name} needs a value of a simple type, a Coding or a concept")


def resource_of(call: Call) -> Resource:
    """The resource in the body, alone or as the parameter `resource`; raises Refusal."""
    body = body_of(call)
    if body.get("resourceType") != "Parameters":
        return body
    parts = body.get("parameter")
    found = [
        part.get("resource")
        for part in (parts if isinstance(parts, list) else ())
        if isinstance(part, dict) and part.get("name") == "resource"
    ]
    if len(found) != 1 or not isinstance(found[0], dict):
        raise Refusal(400, "required", "one parameter named resource holds the resource to validate")
    return found[0]
