"""What people say about an incident. The author alone edits and deletes it, and what was deleted can be brought back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from incidents.actions.action import Action, InvalidTransition, perform
from incidents.models import Activity, Incident
from people.models import User


@dataclass(frozen=True)
class Comment(Action):
    """Say something, in Markdown."""

    text: str

    kind = Activity.Kind.COMMENTED
    columns = ("comments_count",)

    @property
    def said(self) -> str:
        return self.text

    def refusal(self, incident: Incident) -> str:
        return ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.comments_count += 1
        return {}

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        return ""

    @classmethod
    def take_back(cls, incident: Incident, activity: Activity) -> None:
        incident.comments_count -= 1


@dataclass(frozen=True)
class DeleteComment(Action):
    comment: Activity

    kind = Activity.Kind.COMMENT_DELETED
    columns = ("comments_count",)

    def refusal(self, incident: Incident) -> str:
        return "The comment was deleted already." if _is_gone(self.comment) else ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.comments_count -= 1
        return {"comment": self.comment.pk}

    def carry_out(self, done: Mapping[int, Activity], at: datetime) -> None:
        Activity.objects.filter(pk=self.comment.pk).update(undone_at=at)

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        return ""

    @classmethod
    def take_back(cls, incident: Incident, activity: Activity) -> None:
        incident.comments_count += 1

    @classmethod
    def carry_back(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        comments = [activity.details["comment"] for activity in undone.values()]
        Activity.objects.filter(pk__in=comments).update(undone_at=None)


@dataclass(frozen=True)
class EditComment(Action):
    comment: Activity
    text: str

    kind = Activity.Kind.COMMENT_EDITED

    def refusal(self, incident: Incident) -> str:
        if _is_gone(self.comment):
            return "The comment was deleted: bring it back first."
        return "It says that already." if self.comment.comment == self.text else ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        return {"comment": self.comment.pk, "was": self.comment.comment, "is": self.text}

    def carry_out(self, done: Mapping[int, Activity], at: datetime) -> None:
        Activity.objects.filter(pk=self.comment.pk).update(comment=self.text, edited_at=at)

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        comment = Activity.objects.get(pk=activity.details["comment"])
        is_as_left = not comment.undone_at and comment.comment == activity.details["is"]
        return "" if is_as_left else "The comment was changed since: there is nothing to undo."

    @classmethod
    def carry_back(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        for activity in undone.values():
            comment = Activity.objects.filter(pk=activity.details["comment"])
            comment.update(comment=activity.details["was"], edited_at=at)


def edit_comment(comment: Activity, *, by: User, text: str) -> Activity:
    """Raises InvalidTransition where it is somebody else's, or deleted."""
    _must_be_own(comment, by)
    return perform(EditComment(comment, text), comment.incident, by=by)


def delete_comment(comment: Activity, *, by: User) -> Activity:
    """Raises InvalidTransition where it is somebody else's, or deleted already."""
    _must_be_own(comment, by)
    return perform(DeleteComment(comment), comment.incident, by=by)


def _must_be_own(comment: Activity, by: User) -> None:
    if comment.by_id != by.pk:
        raise InvalidTransition("Only who wrote a comment may change it.")


def _is_gone(comment: Activity) -> bool:
    return Activity.objects.filter(pk=comment.pk, undone_at__isnull=False).exists()
