"""The sidebar: all incidents, starred environments, then groups of environments, each with folders and counts."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.events import Status
from incidents.feed.filters import IncidentFilter
from incidents.feed.folders import Counts, Folder, folder_key
from incidents.models import Environment
from people.models import Area

UNGROUPED = "Environments"


@dataclass(frozen=True, slots=True)
class FolderLink:
    """A folder of one place."""

    folder: Folder
    count: str  # as Counts.in_sidebar returns it
    query: str
    key: str  # of the count
    is_here: bool


@dataclass(frozen=True, slots=True)
class Place:
    """An environment, or all incidents, as the sidebar shows it."""

    environment: Environment | None
    folders: list[FolderLink]
    worst: Status
    is_here: bool
    is_starred: bool

    @property
    def active(self) -> FolderLink:
        return self.folders[0]

    @property
    def group(self) -> str:
        return (self.environment.group if self.environment else "") or UNGROUPED


@dataclass(frozen=True, slots=True)
class Sidebar:
    """The sidebar as one person sees it beside one list."""

    everything: Place
    sections: list[tuple[str, list[Place]]]
    may_change: bool

    @classmethod
    def of(cls, asked: IncidentFilter, counts: Counts) -> Sidebar:
        """Return the sidebar.

        Starred environments come first, then groups by name, then environments without a group.
        """
        user = asked.user
        starred = set(user.starred_environments.values_list("pk", flat=True))
        environments = Environment.objects.visible_to(user)
        places = [_place(asked, counts, each, is_starred=each.pk in starred) for each in environments]
        sections: dict[str, list[Place]] = {}
        for place in places:
            if place.is_starred:
                sections.setdefault("Starred", []).append(place)
        for place in sorted(places, key=lambda each: (each.group == UNGROUPED, each.group.casefold())):
            if not place.is_starred:
                sections.setdefault(place.group, []).append(place)
        everything = _place(asked, counts, None, is_starred=False)
        return cls(everything, list(sections.items()), user.may_change(Area.ENVIRONMENTS))

    @property
    def is_starred(self) -> bool:
        """True while the environment that is open is starred by the person."""
        return any(place.is_starred and place.is_here for place in self.places)

    @property
    def places(self) -> list[Place]:
        return [self.everything, *(place for _, places in self.sections for place in places)]


def _place(asked: IncidentFilter, counts: Counts, environment: Environment | None, *, is_starred: bool) -> Place:
    is_here = asked.environment == environment
    links = []
    for folder in Folder:
        # The filter stays on inside the open environment. Links to other environments have no filter.
        query = asked.query(folder=folder) if is_here else _unfiltered(environment, folder)
        count = counts.in_sidebar(folder, environment, asked.environment)
        key = folder_key(folder, environment)
        links.append(FolderLink(folder, count, query, key, is_here and folder is asked.folder))
    return Place(environment, links, counts.worst(environment), is_here, is_starred)


def _unfiltered(environment: Environment | None, folder: Folder) -> str:
    parts = [f"env={environment.pk}"] if environment else []
    parts += [f"folder={folder}"] if folder is not Folder.ACTIVE else []
    return f"?{'&'.join(parts)}" if parts else ""
