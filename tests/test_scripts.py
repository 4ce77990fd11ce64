"""The scripts of the pages: where each event is named, and which module may import which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parent.parent
SCRIPTS = CODE / "static" / "js"
EVENT = re.compile(r"""["'](console:\w+|htmx:\w+)["']""")
NAMED = dict(re.findall(r'export const (\w+) = "([\w:]+)";', (SCRIPTS / "events.js").read_text()))
MODULES = [path for path in sorted(SCRIPTS.rglob("*.js")) if path.name not in ("events.js", "pane_widths.js")]
parametrize = pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)


@parametrize
def test_a_script_takes_the_names_of_events_from_the_one_file(module: Path) -> None:
    assert EVENT.findall(module.read_text()) == []


def test_each_event_of_the_one_file_is_used_and_has_a_type() -> None:
    code = "\n".join(module.read_text() for module in MODULES)
    assert [name for name in NAMED if not re.search(rf"\b{name}\b", code)] == []
    types = set(EVENT.findall((SCRIPTS / "globals.d.ts").read_text()))
    assert types == set(NAMED.values()) - {NAMED["CHANGED"]}  # which only templates hear


def test_templates_and_views_send_and_hear_only_events_of_the_one_file() -> None:
    files = [*(CODE / "templates").rglob("*.html"), *(CODE / "incidents" / "views").glob("*.py")]
    found = {name for file in files for name in re.findall(r"\bconsole:[a-z]+", file.read_text())}
    assert found <= set(NAMED.values())


@parametrize
def test_scripts_tell_each_other_by_events_and_import_only_the_library(module: Path) -> None:
    """Modules that do not import each other run in the order of the page, and have no circles."""
    imported = {(module.parent / name).resolve() for name in re.findall(r'from "([^"]+)"', module.read_text())}
    library = {SCRIPTS / "events.js", *(SCRIPTS / "lib").glob("*.js")}
    assert imported <= (library - {module} if module.parent.name != "lib" else _below(module))


def _below(module: Path) -> set[Path]:
    """Return the modules that a module of the library may import: those before it."""
    order = [SCRIPTS / "events.js", *(SCRIPTS / "lib" / name for name in ("dom.js", "in_place.js"))]
    return set(order[: order.index(module)])
