"""A mapping as a form: the fields of a configuration object as a person writes them, with commas and lines."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

from django import forms

from alerts.sources import oim
from alerts.sources.oim import STATUSES, BadConfig

WORDS = {
    "critical": "critical, crit, error, down, high",
    "warning": "warning, warn, minor",
    "unknown": "unknown",
    "acknowledged": "acknowledged",
    "ok": "ok, resolved, up, cleared",
}


class MappingForm(forms.Form):
    """`config()` and `sample()` are what a mapping keeps. Raises BadConfig where a line cannot be read."""

    sample_payload = forms.CharField(max_length=256 * 1024)
    is_array = forms.BooleanField(required=False)
    array_source = forms.CharField(required=False)
    primary = forms.CharField(required=False)
    secondary = forms.CharField(required=False)
    identifier = forms.CharField(required=False)
    status_source = forms.CharField(required=False)
    critical = forms.CharField(required=False)
    warning = forms.CharField(required=False)
    unknown = forms.CharField(required=False)
    acknowledged = forms.CharField(required=False)
    ok = forms.CharField(required=False)
    default_to = forms.ChoiceField(choices=[(status, status) for status in STATUSES], required=False)
    timestamp = forms.CharField(required=False)
    receipt_time = forms.BooleanField(required=False)
    tags = forms.CharField(required=False)
    map_remaining = forms.BooleanField(required=False)
    flatten_arrays = forms.BooleanField(required=False)
    force_lowercase = forms.BooleanField(required=False)
    event_filter = forms.CharField(required=False)

    def sample(self) -> Any:
        try:
            return json.loads(self.cleaned_data["sample_payload"])
        except (ValueError, RecursionError) as error:
            raise BadConfig("sample_payload", f"is not JSON: {error}") from error

    def config(self) -> dict[str, Any]:
        told = self.cleaned_data
        made: dict[str, Any] = {
            "version": "2.0",
            "is_array": told["is_array"],
            "array_source": told["array_source"].strip(),
            "map_remaining": told["map_remaining"],
            "map_remaining_flatten_arrays": told["flatten_arrays"],
            "force_lowercase": told["force_lowercase"],
            "primary_property": [{"name": name} for name in _listed(told["primary"])],
            "secondary_property": [{"name": name} for name in _listed(told["secondary"])],
            "incident_identifier": _listed(told["identifier"]),
            "additional_attributes": [_attribute(line) for line in told["tags"].splitlines() if line.strip()],
            "status": {
                "source": _listed(told["status_source"]),
                "status_map": {status: _listed(told[status]) for status in STATUSES if told[status].strip()},
                "default_to": told["default_to"] or "critical",
            },
            "bp_timestamp": {"is_selected": told["receipt_time"]},
        }
        if paths := _listed(told["timestamp"]):
            made["timestamp"] = {"source": paths}
        if written := told["event_filter"].strip():
            made["event_filter"] = written
        return made


def initial(config: dict[str, Any], sample: object) -> dict[str, Any]:
    """What the form shows of a mapping."""
    statuses, known = config.get("status") or {}, (config.get("status") or {}).get("status_map") or {}
    return {
        **{status: ", ".join(map(str, known.get(status) or ())) for status in STATUSES},
        "sample_payload": json.dumps(sample, indent=2, ensure_ascii=False),
        "is_array": config.get("is_array"),
        "array_source": config.get("array_source"),
        "primary": _named(config.get("primary_property")),
        "secondary": _named(config.get("secondary_property")),
        "identifier": ", ".join(config.get("incident_identifier") or ()),
        "status_source": ", ".join(statuses.get("source") or ()),
        "default_to": statuses.get("default_to") or "critical",
        "timestamp": ", ".join((config.get("timestamp") or {}).get("source") or ()),
        "receipt_time": (config.get("bp_timestamp") or {}).get("is_selected"),
        "tags": "\n".join(map(_line, config.get("additional_attributes") or ())),
        "map_remaining": config.get("map_remaining"),
        "flatten_arrays": config.get("map_remaining_flatten_arrays"),
        "force_lowercase": config.get("force_lowercase"),
        "event_filter": config.get("event_filter"),
    }


def first(sample: object) -> dict[str, Any]:
    """What the form suggests for a sample that no mapping knows yet."""
    source = next((name for name, value in sample.items() if _is_array(value)), "") if isinstance(sample, dict) else ""
    is_array = bool(source) or _is_array(sample)
    paths = oim.paths_of(is_array, sample, source)

    def guess(*words: str) -> str:
        """The first path whose last step holds the first of these words that any has, or whose way there does."""
        steps = [(path, path.removeprefix(oim.ITEM).lower().split(".")) for path in paths]
        near = (
            path for word in words for path, (*_, last) in steps if word == last or (word in last and len(word) > 3)
        )
        far = (path for word in words for path, way in steps if any(word in step for step in way))
        return next(chain(near, far), "")

    return {
        **WORDS,
        "sample_payload": json.dumps(sample, indent=2, ensure_ascii=False),
        "is_array": is_array,
        "array_source": source,
        "primary": guess("host", "device", "node", "server", "resource", "service", "name", "unit"),
        "secondary": guess("check", "sensor", "alarm", "rule", "event", "title", "message"),
        "status_source": guess("status", "state", "severity", "level", "priority"),
        "timestamp": guess("timestamp", "time", "date", "at", "ts"),
        "default_to": "critical",
        "map_remaining": True,
        "force_lowercase": True,
    }


def _is_array(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _listed(written: str) -> list[str]:
    return [part.strip() for part in written.split(",") if part.strip()]


def _named(properties: list[dict[str, str]] | None) -> str:
    return ", ".join(each["name"] for each in properties or ())


def _attribute(line: str) -> dict[str, Any]:
    """`name = path, other.path`, with `name.* = path` for an object that becomes a tag for each of its fields."""
    name, sign, paths = line.partition("=")
    if not sign or not name.strip() or not _listed(paths):
        raise BadConfig("tags", f"{line.strip()[:60]!r} must be written as: name = path, or another path")
    flatten = name.strip().endswith(".*")
    made: dict[str, Any] = {"name": name.strip().removesuffix(".*"), "source": _listed(paths)}
    return made | ({"flatten": True} if flatten else {})


def _line(attribute: dict[str, Any]) -> str:
    return f"{attribute['name']}{'.*' if attribute.get('flatten') else ''} = {', '.join(attribute['source'])}"
