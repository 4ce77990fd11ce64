"""The frame of every action: its declaration, the registry, and how an action is performed and undone.

An action holds the correlation lock, so that correlation and people change the grouping one after the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import transaction
from django.utils import timezone

from appkeys.models import OrgToken
from db import bulk as db_bulk
from incidents import correlation_lock
from incidents.actions.activity_texts import CORRELATION_TEXTS, ActivityText, Text, incidents_counted, unknown_kind
from incidents.actions.forms import ActionForm
from incidents.environments import placement
from incidents.feed.folders import Folder
from incidents.models import Activity, BulkAction, Incident, access
from people.models import User

# Large columns that no refusal and no change reads.
NOT_READ = ("title", "subtitle", "sources", "names", "shared_tags")
OPEN_FOLDERS = frozenset(Folder) - {Folder.RESOLVED}
EVERY_FOLDER = frozenset(Folder)

Actor = User | OrgToken  # an org token is a script, which acts in nobody's name


class InvalidTransition(Exception):
    """A change that the state of the incident does not allow. The text is a sentence for the person."""


# --- declaration


@dataclass(frozen=True)
class Button:
    """A button of an action in the pane of an incident."""

    name: str  # of the action
    id: str
    words: str
    icon: str
    key: str
    asks: bool  # opens the question of the action; otherwise the action happens at once
    in_menu: bool
    is_primary: bool


class Declaration:
    """The declaration of an action: names, place on the pages, form, and the texts of its activities.

    Buttons, dialogs, the bulk bar, the key sheet, addresses, the history, undo and the API read the declaration.
    """

    do_not_call_in_templates: ClassVar = True  # a page receives the class itself

    name: ClassVar[str]  # in addresses, in the API and in `BulkAction.what`
    former_names: ClassVar[tuple[str, ...]] = ()  # in stored bulk actions, and in pages that are open during an update
    kind: ClassVar[str]  # of the activity that the action writes
    verb: ClassVar[str]  # on each button
    done: ClassVar[str]  # in messages, and as the title of the activity
    icon: ClassVar[str]  # one of the names in people/templatetags/console_tags.py

    key: ClassVar[str] = ""  # as browsers name keys: `S` is Shift+s
    key_help: ClassVar[str] = ""  # on the key sheet, where the verb does not say enough
    asks: ClassVar[bool] = True  # its button opens the question; otherwise the action happens at once
    in_menu: ClassVar[bool] = False
    is_primary: ClassVar[bool] = False
    bulk_folders: ClassVar[Collection[Folder]] = ()  # in which the bulk bar offers the action

    is_asked: ClassVar[bool] = True  # pages and clients ask for the action by its name, with the fields of its form
    form: ClassVar[type[ActionForm]] = ActionForm
    question: ClassVar[str]  # about {}: one incident, or so many
    effect: ClassVar[str] = ""  # what will happen, below the question

    only_by_author: ClassVar[bool] = False  # only the author can undo it

    @classmethod
    def is_offered(cls, incident: Incident, user: User) -> bool:
        """Return whether the pane of the incident shows the button."""
        return cls.is_asked

    @classmethod
    def buttons(cls, incident: Incident, user: User) -> list[Button]:
        return [cls.button()] if cls.is_offered(incident, user) else []

    @classmethod
    def button(cls, **changes: Any) -> Button:
        plain = Button(cls.name, cls.name, cls.verb, cls.icon, cls.key, cls.asks, cls.in_menu, cls.is_primary)
        return replace(plain, **changes)

    @classmethod
    def question_about(cls, count: int | None = None) -> str:
        """Return the question about one incident, or about a number of incidents."""
        return cls.question.format("this incident" if count is None else incidents_counted(count))

    @classmethod
    def effect_text(cls) -> str:
        return cls.effect

    @classmethod
    def warning(cls, incident: Incident) -> Text:
        """Return what the person should know before the action; empty where there is nothing."""
        return ""

    @classmethod
    def bulk_warning(cls, bulk: BulkAction) -> Text:
        return ""

    @classmethod
    def present_state(cls, incident: Incident) -> Iterable[str]:
        """Return lines that say what the action would replace."""
        return ()

    @classmethod
    def bulk_title(cls, bulk: BulkAction) -> str:
        return cls.question_about(bulk.total).rstrip("?")

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        """Return what the history says after the name of the person or org token."""
        raise NotImplementedError

    @classmethod
    def activity_texts(cls) -> Mapping[str, ActivityText]:
        """Return the texts of each kind of activity that the action writes."""
        return {cls.kind: ActivityText(cls.done, cls.icon, cls.sentence)}

    @classmethod
    def undo(cls, activity: Activity, *, by: User) -> Activity:
        """Undo an activity of this action, and return the activity of the undo.

        Raises InvalidTransition where the activity was undone already, or its result was changed since.
        """
        raise NotImplementedError


# --- registry

_BY_NAME: dict[str, type[Declaration]] = {}
_BY_KIND: dict[str, type[Declaration]] = {}


def register(*actions: type[Declaration]) -> None:
    """Add actions to the console. Buttons, the bulk bar and the key sheet keep the order."""
    for action in actions:
        _BY_NAME.update(dict.fromkeys((action.name, *action.former_names), action))
        for kind in action.activity_texts():
            _BY_KIND.setdefault(kind, action)


def all_actions() -> list[type[Declaration]]:
    return list(dict.fromkeys(_BY_NAME.values()))


def action_named(name: str) -> type[Declaration] | None:
    """Return the action with this name, also with a former one."""
    return _BY_NAME.get(name)


def asked_actions() -> list[type[Action]]:
    """Return the actions on each incident that pages and clients ask for by their names."""
    return [action for action in all_actions() if action.is_asked and issubclass(action, Action)]


def asked_action(name: str) -> type[Action] | None:
    action = action_named(name)
    return action if action in asked_actions() else None


def action_of_kind(kind: str) -> type[Declaration] | None:
    """Return the action that writes activities of this kind; None where correlation writes them."""
    return _BY_KIND.get(kind)


def kinds_of_actions() -> list[str]:
    return list(_BY_KIND)


def text_of(kind: str) -> ActivityText:
    if action := _BY_KIND.get(kind):
        return action.activity_texts()[kind]
    return UNDONE if kind == Activity.Kind.UNDONE else CORRELATION_TEXTS.get(kind) or unknown_kind(kind)


def _undid(activity: Activity) -> Text:
    title = text_of(activity.details.get("of", "")).title
    return f"undid: {title[0].lower()}{title[1:]}"


UNDONE = ActivityText("Undone", "undo-2", _undid)


# --- actions on each incident alone


@dataclass(frozen=True)
class Action(Declaration):
    """A change of each incident alone, of one incident or of thousands alike.

    The fields of a subclass are what the person chose. A field `comment` is the comment of the activity. Undo restores the columns that the
    action wrote, where nobody has changed the columns since.
    """

    columns: ClassVar[tuple[str, ...]] = ()  # of the incident's row, which the action writes
    restored: ClassVar[tuple[str, ...]] = ()  # those that undo restores; all of them where this is empty
    related: ClassVar[tuple[str, ...]] = ()  # rows beside the incident that the action reads
    changed_since: ClassVar[str] = "This was changed since: there is nothing to undo."  # the refusal of undo

    @classmethod
    def from_form(cls, form: ActionForm) -> Action:
        """Return the action that a valid form asks for."""
        return cls(**form.cleaned_data)

    def refusal(self, incident: Incident) -> str:
        """Return why the incident does not allow the action; empty where it does."""
        raise NotImplementedError

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        """Set the columns of the incident, and return the details of the activity. `by` is None for a script."""
        raise NotImplementedError

    def after_change(self, activities: Mapping[int, Activity], at: datetime) -> None:
        """Write what lies beyond the rows of incidents. The activities are by incident, and the rows are written."""

    def arguments(self) -> dict[str, Any]:
        """Return the fields as JSON, for a bulk action to store."""
        return asdict(self)

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(**arguments)

    def perform(self, incident: Incident, *, by: Actor) -> Activity:
        """Perform the action on one incident. Raises InvalidTransition where the incident does not allow the action."""
        return perform_on(self, [incident.pk], by=by).only()

    # --- undo

    def saved_state(self, incident: Incident) -> dict[str, Any]:
        """Return what undo restores, as JSON."""
        return _columns_as_json(incident, self.restored or self.columns)

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        """Return why the action cannot be undone now; empty where it can."""
        now = _columns_as_json(incident, cls.restored or cls.columns)
        return "" if now == activity.before["is"] else cls.changed_since

    @classmethod
    def restore(cls, incident: Incident, activity: Activity) -> None:
        """Set the columns of the incident as they were before the activity."""
        for name, value in activity.before["was"].items():
            column: Any = Incident._meta.get_field(name)
            setattr(incident, column.attname, column.to_python(value))

    @classmethod
    def after_restore(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        """Restore what lies beyond the rows of incidents. Both mappings are by incident, and the rows are written."""

    @classmethod
    def undo(cls, activity: Activity, *, by: User) -> Activity:
        return undo_on(cls, [activity.pk], by=by).only()


@dataclass(slots=True)
class ActionResult:
    """The activity of each incident that an action changed, and the reason of each refusal by incident."""

    activities: list[Activity] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)

    def only(self) -> Activity:
        """Return the activity of the only incident. Raises InvalidTransition where that incident refused."""
        for refusal in self.refused.values():
            raise InvalidTransition(refusal)
        return self.activities[0]


@transaction.atomic
def perform_on(action: Action, pks: Iterable[int], *, by: Actor, bulk: BulkAction | None = None) -> ActionResult:
    """Perform an action on each incident that allows it, in one transaction and with a fixed number of statements.

    1. Hold the correlation lock, and lock the incidents.
    2. Ask each incident whether it allows the action, and change those that do. An incident refuses those who may not
       act on it.
    3. Write the rows, an activity for each incident, and what lies beyond the rows.
    """
    correlation_lock.hold()
    at = timezone.now()
    person, script = (by, {}) if isinstance(by, User) else (None, {"org_token": by.name})
    result, changed, closed = ActionResult(), [], access.closed_to_acting(by)
    for incident in locked(pks, *action.related, without=NOT_READ):
        if refusal := _not_yours(incident, closed) or _merged_away(incident) or action.refusal(incident):
            result.refused[incident.pk] = refusal
            continue
        was = action.saved_state(incident)
        details = {**action.change(incident, by=person, at=at), **script}
        activity = Activity(incident=incident, kind=action.kind, at=at, by=person, details=details, bulk=bulk)
        activity.comment = getattr(action, "comment", "")
        activity.before = {"was": was, "is": action.saved_state(incident)}
        result.activities.append(activity)
        changed.append(incident)
    if action.columns:
        db_bulk.save(changed, action.columns)
    db_bulk.create(result.activities)
    action.after_change({activity.incident_id: activity for activity in result.activities}, at)
    placement.place_after_action([incident.pk for incident in changed])
    return result


@transaction.atomic
def undo_on(
    action: type[Action], activities: Iterable[int], *, by: User, bulk: BulkAction | None = None
) -> ActionResult:
    """Undo activities of one action, at most one of each incident, and write an activity for each undo.

    An incident refuses where its activity was undone already, its state was changed since, or the person may not act on
    it.
    """
    correlation_lock.hold()
    at = timezone.now()
    result, closed = ActionResult(), access.closed_to_acting(by)
    activity_rows = Activity.objects.defer(None).filter(pk__in=activities).order_by("pk")
    wanted = {activity.incident_id: activity for activity in activity_rows}
    incidents = {incident.pk: incident for incident in locked(wanted, *action.related)}
    undone = {}
    for pk, incident in incidents.items():
        activity = wanted[pk]
        undone_before = "This was undone already." if activity.undone_at else ""
        if refusal := _not_yours(incident, closed) or undone_before or action.undo_refusal(incident, activity):
            result.refused[pk] = refusal
            continue
        action.restore(incident, activity)
        activity.undone_at = at
        undone[pk] = activity
    if action.columns:
        db_bulk.save([incidents[pk] for pk in undone], action.columns)
    db_bulk.save(list(undone.values()), ["undone_at"])
    result.activities = [undo_activity(activity, by=by, at=at, bulk=bulk) for activity in undone.values()]
    db_bulk.create(result.activities)
    action.after_restore(undone, {pk: incidents[pk] for pk in undone}, at)
    placement.place_after_action(list(undone))
    return result


def undo_activity(activity: Activity, *, by: User, at: datetime, bulk: BulkAction | None = None) -> Activity:
    """Return an unsaved activity that says that another activity was undone."""
    details = {"of": activity.kind, "activity": activity.pk}
    return Activity(
        incident_id=activity.incident_id, kind=Activity.Kind.UNDONE, by=by, at=at, details=details, bulk=bulk
    )


def locked(pks: Iterable[int], *related: str, without: Iterable[str] = ()) -> list[Incident]:
    """Return incidents as they are now, locked until the transaction ends, and without the columns `without`."""
    rows = Incident.objects.select_for_update(of=("self",)).filter(pk__in=list(pks)).order_by("pk")
    return list(rows.defer(*without).prefetch_related(*related))


def _not_yours(incident: Incident, closed: Collection[int | None]) -> str:
    return access.NOT_YOURS if incident.membership_id in closed else ""


def _merged_away(incident: Incident) -> str:
    return f"It was merged into #{incident.merged_into_id}: act there." if incident.merged_into_id else ""


def _columns_as_json(incident: Incident, names: Iterable[str]) -> dict[str, Any]:
    columns: list[Any] = [Incident._meta.get_field(name) for name in names]
    return {column.name: _as_json(getattr(incident, column.attname)) for column in columns}


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
