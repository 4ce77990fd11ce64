"""The form of a mapping: a configuration object as fields of text, with commas and lines."""

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
    """The form of a mapping. `config()` and `sample()` return what a mapping stores, and raise BadConfig."""

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
        data = self.cleaned_data
        made: dict[str, Any] = {
            "version": "2.0",
            "is_array": data["is_array"],
            "array_source": data["array_source"].strip(),
            "map_remaining": data["map_remaining"],
            "map_remaining_flatten_arrays": data["flatten_arrays"],
            "force_lowercase": data["force_lowercase"],
            "primary_property": [{"name": name} for name in _listed(data["primary"])],
            "secondary_property": [{"name": name} for name in _listed(data["secondary"])],
            "incident_identifier": _listed(data["identifier"]),
            "additional_attributes": [_attribute(line) for line in data["tags"].splitlines() if line.strip()],
            "status": {
                "source": _listed(data["status_source"]),
                "status_map": {status: _listed(data[status]) for status in STATUSES if data[status].strip()},
                "default_to": data["default_to"] or "critical",
            },
            "bp_timestamp": {"is_selected": data["receipt_time"]},
        }
        if paths := _listed(data["timestamp"]):
            made["timestamp"] = {"source": paths}
        if written := data["event_filter"].strip():
            made["event_filter"] = written
        return made


def fields_of(config: dict[str, Any], sample: object) -> dict[str, Any]:
    """Return the fields of the form for a mapping."""
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


def suggested(sample: object) -> dict[str, Any]:
    """Return suggested fields for a sample without a mapping."""
    source = next((name for name, value in sample.items() if _is_array(value)), "") if isinstance(sample, dict) else ""
    is_array = bool(source) or _is_array(sample)
    paths = oim.paths_of(is_array, sample, source)

    def guess(*words: str) -> str:
        """Return the first path whose last step contains the earliest possible word, else whose other steps do."""
        steps = [(path, path.removeprefix(oim.ITEM).lower().split(".")) for path in paths]
        near = (
            path for word in words for path, (*_, last) in steps if word == last or (word in last and len(word) > 3)
        )
        far = (path for word in words for path, others in steps if any(word in step for step in others))
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
    """Read `name = path, other.path`. `name.* = path` maps an object to one tag per field."""
    name, sign, paths = line.partition("=")
    if not sign or not name.strip() or not _listed(paths):
        raise BadConfig("tags", f"{line.strip()[:60]!r} must be written as: name = path, or another path")
    flatten = name.strip().endswith(".*")
    made: dict[str, Any] = {"name": name.strip().removesuffix(".*"), "source": _listed(paths)}
    return made | ({"flatten": True} if flatten else {})


def _line(attribute: dict[str, Any]) -> str:
    return f"{attribute['name']}{'.*' if attribute.get('flatten') else ''} = {', '.join(attribute['source'])}"
