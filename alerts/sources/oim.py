"""The generic mapper: any payload becomes alerts by a configuration object (docs/wire-contract.md §9.2). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alerts.events import EventRejected, Status
from alerts.sources.reading import AlertObject, alert_object, value_at

Config = Mapping[str, Any]
ITEM = "@alert."  # a path with this prefix is looked up in an item of the array, any other path in the whole payload
FLAGS = ("is_array", "map_remaining", "map_remaining_flatten_arrays", "force_lowercase")
STATUSES = tuple(label for label in reversed(Status.labels))
DEPTH, NAMES = 8, 500  # limits of the remaining fields: levels of nesting, and tags


class BadConfig(EventRejected):
    """A configuration that cannot be used, with field and rule."""


def normalize(config: Config, payload: object) -> list[AlertObject]:
    """Return one alert per item of the array in its order, or one for the payload."""
    return [_alert(config, item, payload) for item in items(config, payload)]


def items(config: Config, payload: object) -> list[object]:
    """Return the parts of a payload that become one alert each."""
    if not config.get("is_array"):
        return [payload]
    path = config.get("array_source") or ""
    found = value_at(payload, path) if path else payload
    if not isinstance(found, list) or not found:
        where = f"under {path!r}" if path else "as the payload"
        raise EventRejected(path or "payload", f"must be an array with at least one item {where}, as the mapping says")
    return found


def _alert(config: Config, item: object, payload: object) -> AlertObject:
    """Return the alert of one item.

    1. Map the named attributes, the properties, the status and the time.
    2. Add the remaining fields as tags.
    3. Build the identifier from tags and paths.
    """
    tags: dict[str, Any] = {}
    used: set[str] = set()
    for attribute in config.get("additional_attributes") or ():
        value = _first(attribute.get("source") or (), item, payload, used)
        if isinstance(value, dict) and attribute.get("flatten"):
            tags |= {f"{attribute['name']}_{name}": each for name, each in _flat(value, with_arrays=False)}
        else:
            tags[attribute["name"]] = _plain(value)
    primary = _property(config.get("primary_property"), tags, item, payload, used)
    secondary = _property(config.get("secondary_property"), tags, item, payload, used)
    status = _status(config, item, payload, used)
    at = (
        None
        if value_at(config, "bp_timestamp.is_selected")
        else _first(value_at(config, "timestamp.source") or (), item, payload, used)
    )
    if config.get("map_remaining"):
        flatten = bool(config.get("map_remaining_flatten_arrays"))
        remaining = ((name, each) for name, each in _flat(item, with_arrays=flatten) if name not in used)
        tags = dict(remaining) | tags
    if config.get("force_lowercase"):
        tags, primary, secondary = (
            {name.lower(): value for name, value in tags.items()},
            primary.lower(),
            secondary.lower(),
        )
    names = config.get("incident_identifier") or ()
    parts = [_text(_value(tags, name, item, payload)) for name in names]
    identifier = " ".join(part for part in parts if part)
    return alert_object(status, tags, primary=primary, secondary=secondary, identifier=identifier, at=at)


def _property(named: object, tags: dict[str, Any], item: object, payload: object, used: set[str]) -> str:
    """Return the first name that is a tag or a path to a value, else empty text.

    The value at a path becomes a tag, named by the last step of the path.
    """
    for each in named if isinstance(named, list) else ():
        name = str(each.get("name") or "")
        if tags.get(name):
            return name
        value = _plain(_first([name], item, payload, used))
        if value not in (None, ""):
            tag = name.rpartition(".")[2]
            tags[tag] = value
            return tag
    return ""


def _status(config: Config, item: object, payload: object, used: set[str]) -> str:
    """Return the status of the first source whose value is in the map, else the default."""
    statuses = config.get("status") or {}
    known = {
        str(value).strip().lower(): status
        for status, values in reversed((statuses.get("status_map") or {}).items())
        for value in values or ()
    }
    for path in statuses.get("source") or ():
        value = _text(_first([path], item, payload, used)).lower()
        if value in known:
            return str(known[value])
    return str(statuses.get("default_to") or "critical")


def _value(tags: dict[str, Any], name: str, item: object, payload: object) -> object:
    return tags[name] if name in tags else _first([name], item, payload, set())


def _first(paths: Iterable[str], item: object, payload: object, used: set[str]) -> object:
    """Return the first value at these paths. Add the paths in the item to `used`."""
    for path in paths:
        in_item = path.removeprefix(ITEM)
        value = value_at(item if path.startswith(ITEM) else payload, in_item)
        if path.startswith(ITEM) or item is payload:
            used.add(in_item.replace(".", "_"))
        if value is not None:
            return value
    return None


def _flat(value: object, *, with_arrays: bool, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the fields of nested objects with names joined by `_`.

    An array is one tag with several values. `with_arrays`, it is flattened like an object, with its indexes as names.
    """
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for number, (name, each) in enumerate(inside):
        if number >= NAMES or depth >= DEPTH:
            return
        if isinstance(each, dict) or (isinstance(each, list) and with_arrays):
            yield from (
                (f"{name}_{rest}", leaf) for rest, leaf in _flat(each, with_arrays=with_arrays, depth=depth + 1)
            )
        else:
            yield str(name), _plain(each)


def _plain(value: object) -> object:
    """Return a value for a tag: an object, or an array that holds objects, becomes JSON."""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict | list) for each in value)):
        return json.dumps(value, ensure_ascii=False)
    return value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() if isinstance(value, str | int | float) else ""


# --- the configuration itself


def check(config: object, sample: object) -> dict[str, Any]:
    """Return a checked configuration. Raise BadConfig, also for a path that is not in the sample."""
    if not isinstance(config, dict):
        raise BadConfig("config", "must be an object")
    for name in FLAGS:
        if not isinstance(config.get(name, False), bool):
            raise BadConfig(f"config.{name}", "must be true or false")
    for name in ("primary_property", "secondary_property"):
        named = _a_list(config, name)
        if not all(isinstance(each, dict) and isinstance(each.get("name"), str) and each["name"] for each in named):
            raise BadConfig(f"config.{name}", 'must be an array of {"name": …}')
    attributes = _a_list(config, "additional_attributes")
    for attribute in attributes:
        if (
            not isinstance(attribute, dict)
            or not isinstance(attribute.get("name"), str)
            or not attribute["name"].strip()
        ):
            raise BadConfig("config.additional_attributes", 'must be an array of {"name": …, "source": […]}')
        _paths(attribute, f"config.additional_attributes.{attribute['name']}")
    _check_status(config.get("status"))
    if config.get("timestamp") is not None:
        if not isinstance(config["timestamp"], dict):
            raise BadConfig("config.timestamp", 'must be {"source": […]}')
        _paths(config["timestamp"], "config.timestamp")
    if not isinstance(config.get("bp_timestamp") or {}, dict):
        raise BadConfig("config.bp_timestamp", 'must be {"is_selected": …}')
    identifier = _a_list(config, "incident_identifier")
    if not all(isinstance(name, str) for name in identifier):
        raise BadConfig("config.incident_identifier", "must be an array of names")
    if not isinstance(config.get("array_source") or "", str):
        raise BadConfig("config.array_source", "must be a path")
    if not isinstance(config.get("event_filter") or "", str):
        raise BadConfig("config.event_filter", "must be a query")
    if config.get("preprocessing"):
        raise BadConfig("config.preprocessing", "is not supported here; leave it out")
    _check_sample(config, sample, {attribute["name"] for attribute in attributes})
    return {"version": "2.0", **config}


def _check_status(status: object) -> None:
    if not isinstance(status, dict):
        raise BadConfig("config.status", "is required: an object with source, status_map and default_to")
    _paths(status, "config.status")
    mapped = status.get("status_map") or {}
    if not isinstance(mapped, dict) or not all(isinstance(values, list) for values in mapped.values()):
        raise BadConfig("config.status.status_map", "must be an object with an array of values for each status")
    if unknown := [name for name in (*mapped, status.get("default_to") or "critical") if name not in STATUSES]:
        raise BadConfig("config.status", f"{unknown[0]!r} is no status; there are {', '.join(STATUSES)}")


def _check_sample(config: Config, sample: object, names: set[str]) -> None:
    try:
        found = items(config, sample)
    except EventRejected as error:
        raise BadConfig("config.array_source", error.rule) from error
    paths = [path for attribute in config.get("additional_attributes") or () for path in attribute["source"]]
    paths += value_at(config, "status.source") + (value_at(config, "timestamp.source") or [])
    properties = (*(config.get("primary_property") or ()), *(config.get("secondary_property") or ()))
    paths += [each["name"] for each in properties if each["name"] not in names]
    for path in paths:
        looked_up = [_first([path], item, sample, set()) for item in found]
        if all(value is None for value in looked_up):
            raise BadConfig(path, "is not in the sample payload: check the path, or take a sample in which it occurs")
    if not any(_alert(config, item, sample).get("primary_property") for item in found):
        raise BadConfig("config.primary_property", "names nothing that the sample has; it says what an alert is about")


def _a_list(config: Config, name: str) -> list[Any]:
    value = config.get(name) or []
    if not isinstance(value, list):
        raise BadConfig(f"config.{name}", "must be an array")
    return value


def _paths(owner: Mapping[str, Any], field: str) -> None:
    paths = owner.get("source")
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) and path for path in paths):
        raise BadConfig(f"{field}.source", "must be an array with at least one path")


def paths_of(config_is_array: bool, payload: object, array_source: str = "") -> list[str]:
    """Return the paths of a sample that hold a value, in the form of a mapping, for suggestions in the form."""
    if not config_is_array:
        return [path for path, _ in _dotted(payload)][:NAMES]
    found = value_at(payload, array_source) if array_source else payload
    first = found[0] if isinstance(found, list) and found else {}
    inside = [f"{ITEM}{path}" for path, _ in _dotted(first)]
    outside = [path for path, _ in _dotted(payload) if not path.startswith(f"{array_source}.") and path != array_source]
    return [*inside, *(outside if array_source else [])][:NAMES]


def _dotted(value: object, depth: int = 0) -> Iterator[tuple[str, Any]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for number, (name, each) in enumerate(inside):
        if number >= NAMES or depth >= DEPTH:
            return
        if isinstance(each, dict) or (isinstance(each, list) and any(isinstance(one, dict) for one in each)):
            yield from ((f"{name}.{rest}", leaf) for rest, leaf in _dotted(each, depth + 1))
        else:
            yield str(name), each
