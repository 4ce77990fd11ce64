"""The left pane: everything, starred environments, then the groups, each with its folders and what is in them now."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.events import Status
from incidents.feed import Counts, Folder
from incidents.filters import IncidentFilter
from incidents.models import Environment
from people.models import Area

UNGROUPED = "Environments"


@dataclass(frozen=True, slots=True)
class FolderLink:
    folder: Folder
    count: str  # empty where it is only counted once its environment is open
    query: str
    key: str  # names the count among all of the rail
    is_here: bool


@dataclass(frozen=True, slots=True)
class Place:
    """An environment, or everything, as the rail shows it."""

    environment: Environment | None
    folders: list[FolderLink]
    worst: Status
    is_here: bool
    is_starred: bool

    @property
    def active(self) -> FolderLink:
        return self.folders[0]


@dataclass(frozen=True, slots=True)
class Rail:
    everything: Place
    sections: list[tuple[str, list[Place]]]
    may_change: bool

    @classmethod
    def of(cls, asked: IncidentFilter, counts: Counts) -> Rail:
        user = asked.user
        starred = set(user.starred_environments.values_list("pk", flat=True))
        kept = Environment.objects.kept() if user.may_see(Area.ENVIRONMENTS) else ()
        shown = [each for each in kept if each.may_be_seen_by(user)]
        places = [_place(asked, counts, each, is_starred=each.pk in starred) for each in shown]
        sections: dict[str, list[Place]] = {}
        for place in places:
            if place.is_starred:
                sections.setdefault("Starred", []).append(place)
        for place in sorted(
            places, key=lambda each: _group(each).casefold() if _group(each) != UNGROUPED else "\uffff"
        ):
            if not place.is_starred:
                sections.setdefault(_group(place), []).append(place)
        everything = _place(asked, counts, None, is_starred=False)
        return cls(everything, list(sections.items()), user.may_change(Area.ENVIRONMENTS))

    @property
    def is_starred(self) -> bool:
        """Whether the environment that is open is at the top of the reader's list."""
        return any(place.is_starred and place.is_here for place in self.places)

    @property
    def places(self) -> list[Place]:
        return [self.everything, *(place for _, places in self.sections for place in places)]


def _group(place: Place) -> str:
    return (place.environment.group if place.environment else "") or UNGROUPED


def _place(asked: IncidentFilter, counts: Counts, environment: Environment | None, *, is_starred: bool) -> Place:
    is_here = asked.environment == environment
    pk = environment.pk if environment else 0
    links = []
    for folder in Folder:
        is_counted = folder is not Folder.RESOLVED or is_here
        # Inside an environment the filter stays while folders are changed; elsewhere begins another view.
        query = asked.query(folder=folder.value) if is_here else _plain(environment, folder)
        count = counts.shown(folder, environment) if is_counted else ""
        links.append(FolderLink(folder, count, query, f"{pk}-{folder}", is_here and folder is asked.folder))
    return Place(environment, links, counts.worst(environment), is_here, is_starred)


def _plain(environment: Environment | None, folder: Folder) -> str:
    parts = ([f"env={environment.pk}"] if environment else []) + (
        [f"folder={folder}"] if folder is not Folder.ACTIVE else []
    )
    return f"?{'&'.join(parts)}" if parts else ""
