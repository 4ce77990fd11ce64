"""Buttons of actions, and the keys of the keyboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template

from incidents.actions.action import Button, Declaration, action_named, all_actions
from incidents.feed.folders import Folder
from incidents.models import Incident
from people.models import User

register = template.Library()


@dataclass(frozen=True)
class Key:
    """A key, named as browsers name keys: `U` is Shift+u, and `g i` is one key after the other."""

    name: str  # for `{% key %}` in templates, and for the function in static/js/page/keys.js
    key: str
    help: str

    @property
    def parts(self) -> list[str]:
        """Return the keys in words for the key sheet."""
        return [_in_words(part) for part in self.key.split(" ")]


def _in_words(key: str) -> str:
    if len(key) == 1 and key.isupper():
        return f"Shift+{key.lower()}"
    return key.replace("Arrow", "").replace("Escape", "Esc")


# The key sheet in its order. The keys of actions come first in the group "Act".
PAGE_KEYS: dict[str, tuple[Key, ...]] = {
    "Move": (
        Key("next-row", "j", "Next row"),
        Key("previous-row", "k", "Previous row"),
        Key("open-row", "o", "Open the row; Enter does too"),
        Key("previous-incident", "[", "Previous incident"),
        Key("next-incident", "]", "Next incident"),
        Key("close", "Escape", "Close, back to the row"),
    ),
    "Select": (
        Key("select", "x", "Select the row"),
        Key("select-down", "Shift+ArrowDown", "Select on to the next row"),
        Key("select-up", "Shift+ArrowUp", "Select on to the previous row"),
        Key("select-page", "X", "Select all of the page"),
        Key("select-matching", "* a", "Select all that match"),
    ),
    "Act": (Key("undo", "z", "Undo the last action"),),
    "Look": (
        Key("why", "w", "Why these alerts are together"),
        Key("timeline", "t", "Timeline"),
        Key("search", "/", "Search"),
        Key("pause", "p", "Pause or resume live updates"),
        Key("copy-link", "u", "Copy a link to this"),
        Key("copy-name", "y", "Copy the name of the row, or of what is open"),
        Key("utc", "U", "Times in UTC, or in your zone"),
    ),
    "Go to": (
        Key("incidents", "g i", "Incidents"),
        Key("snoozed", "g s", "Snoozed"),
        Key("integrations", "g k", "Integrations and their keys"),
        Key("doctor", "g d", "Doctor of the integration, or the integrations"),
    ),
    "Help": (
        Key("key-sheet", "?", "This list"),
        Key("command-box", "Ctrl+k", "Command box; ⌘K on a Mac"),
        Key("send", "Ctrl+Enter", "Send what you write, as its button does; ⌘Enter on a Mac"),
    ),
}


@register.simple_tag
def key(name: str) -> str:
    """Return the key of an action or of a page, for the attribute `data-key`."""
    if action := action_named(name):
        return action.key
    return next(each.key for keys in PAGE_KEYS.values() for each in keys if each.name == name)


@register.inclusion_tag("components/_key_sheet.html")
def key_sheet(user: User) -> dict[str, Any]:
    """Show the keys of pages, and those of actions where the user may act."""
    act = [*_action_keys(), *PAGE_KEYS["Act"]] if user.may_act else []
    groups = {**PAGE_KEYS, "Act": act}
    return {"groups": [(group, keys) for group, keys in groups.items() if keys]}


def _action_keys() -> list[Key]:
    """Return the keys of actions. An action and its opposite share a key, under which the sheet lists the first."""
    keys: dict[str, Key] = {}
    for action in all_actions():
        if action.key:
            keys.setdefault(action.key, Key("act", action.key, action.key_help or action.verb))
    return list(keys.values())


@register.simple_tag
def incident_buttons(incident: Incident, user: User) -> dict[str, list[Button]]:
    """Return the buttons in the pane of an incident: those that show, and those in the menu."""
    buttons = [button for action in all_actions() for button in action.buttons(incident, user)]
    return {
        "shown": [button for button in buttons if not button.in_menu],
        "menu": [button for button in buttons if button.in_menu],
    }


@register.simple_tag
def bulk_actions(folder: Folder) -> list[type[Declaration]]:
    """Return the actions that the bulk bar of a folder offers."""
    return [action for action in all_actions() if folder in action.bulk_folders]
