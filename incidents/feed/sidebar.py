"""The left pane: everything, starred environments, then the groups, each with its folders and what is in them now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alerts.events import Status
from incidents.feed.filters import IncidentFilter
from incidents.feed.folders import Counts, Folder
from incidents.models import Environment
from people.models import Area, User

UNGROUPED = "Environments"


@dataclass(frozen=True, slots=True)
class FolderLink:
    folder: Folder
    count: str  # empty where it is only counted once its environment is open
    query: str
    key: str  # names the count among all of the sidebar
    is_here: bool


@dataclass(frozen=True, slots=True)
class Place:
    """An environment, or everything, as the sidebar shows it."""

    environment: Environment | None
    folders: list[FolderLink]
    worst: Status
    is_here: bool
    is_starred: bool

    @property
    def active(self) -> FolderLink:
        return self.folders[0]


@dataclass(frozen=True, slots=True)
class Sidebar:
    everything: Place
    sections: list[tuple[str, list[Place]]]
    may_change: bool

    @classmethod
    def of(cls, asked: IncidentFilter, counts: Counts) -> Sidebar:
        user = asked.user
        starred = set(user.starred_environments.values_list("pk", flat=True))
        places = [_place(asked, counts, each, is_starred=each.pk in starred) for each in environments_of(user)]
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


def environments_of(user: User) -> list[Environment]:
    """Those that a person sees in the sidebar."""
    kept = Environment.objects.kept() if user.may_see(Area.ENVIRONMENTS) else ()
    return [each for each in kept if each.may_be_seen_by(user)]


def counts_by_key(environments: Iterable[Environment], counts: Counts, here: Environment | None) -> dict[str, str]:
    """What the sidebar counts, by the keys of its folders."""
    return {
        _key(environment, folder): counts.shown(folder, environment) if _is_counted(folder, environment, here) else ""
        for environment in (None, *environments)
        for folder in Folder
    }


def _key(environment: Environment | None, folder: Folder) -> str:
    return f"{environment.pk if environment else 0}-{folder}"


def _is_counted(folder: Folder, environment: Environment | None, here: Environment | None) -> bool:
    return folder is not Folder.RESOLVED or environment == here


def _group(place: Place) -> str:
    return (place.environment.group if place.environment else "") or UNGROUPED


def _place(asked: IncidentFilter, counts: Counts, environment: Environment | None, *, is_starred: bool) -> Place:
    is_here = asked.environment == environment
    links = []
    for folder in Folder:
        # Inside an environment the filter stays while folders are changed; elsewhere begins another view.
        query = asked.query(folder=folder.value) if is_here else _plain(environment, folder)
        count = counts.shown(folder, environment) if _is_counted(folder, environment, asked.environment) else ""
        key = _key(environment, folder)
        links.append(FolderLink(folder, count, query, key, is_here and folder is asked.folder))
    return Place(environment, links, counts.worst(environment), is_here, is_starred)


def _plain(environment: Environment | None, folder: Folder) -> str:
    parts = ([f"env={environment.pk}"] if environment else []) + (
        [f"folder={folder}"] if folder is not Folder.ACTIVE else []
    )
    return f"?{'&'.join(parts)}" if parts else ""
