"""Comments on incidents. Only the author edits or deletes a comment, and a deleted comment can be brought back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from incidents.actions.action import EVERY_FOLDER, Action, InvalidTransition
from incidents.actions.activity_texts import Text
from incidents.actions.forms import ActionForm, CommentForm
from incidents.models import Activity, Incident
from people.models import User


@dataclass(frozen=True)
class Comment(Action):
    """A comment in Markdown."""

    text: str

    name, kind = "comment", Activity.Kind.COMMENTED
    verb, done, icon, key = "Comment", "Commented", "message-square", "c"
    bulk_folders = EVERY_FOLDER
    form, question = CommentForm, "Comment on {}"
    only_by_author = True
    columns = ("comments_count",)

    @classmethod
    def is_offered(cls, incident: Incident, user: User) -> bool:
        return False  # the form below the incident takes the place of a button

    @classmethod
    def from_form(cls, form: ActionForm) -> Action:
        return cls(form.cleaned_data["comment"])

    @property
    def comment(self) -> str:
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
    def restore(cls, incident: Incident, activity: Activity) -> None:
        incident.comments_count -= 1

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return "commented"


@dataclass(frozen=True)
class DeleteComment(Action):
    """Deletion of a comment by its author."""

    deleted: Activity

    name, kind = "delete_comment", Activity.Kind.COMMENT_DELETED
    verb, done, icon = "Delete", "Comment deleted", "message-square"
    is_asked = False
    only_by_author = True
    columns = ("comments_count",)

    def refusal(self, incident: Incident) -> str:
        return "The comment was deleted already." if _is_gone(self.deleted) else ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        incident.comments_count -= 1
        return {"comment": self.deleted.pk}

    def after_change(self, activities: Mapping[int, Activity], at: datetime) -> None:
        Activity.objects.filter(pk=self.deleted.pk).update(undone_at=at)

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        return ""

    @classmethod
    def restore(cls, incident: Incident, activity: Activity) -> None:
        incident.comments_count += 1

    @classmethod
    def after_restore(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        comments = [activity.details["comment"] for activity in undone.values()]
        Activity.objects.filter(pk__in=comments).update(undone_at=None)

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return "deleted a comment"


@dataclass(frozen=True)
class EditComment(Action):
    """Change of a comment by its author."""

    edited: Activity
    text: str

    name, kind = "edit_comment", Activity.Kind.COMMENT_EDITED
    verb, done, icon = "Save", "Comment changed", "message-square"
    is_asked, question = False, "Change your comment"
    only_by_author = True

    def refusal(self, incident: Incident) -> str:
        if _is_gone(self.edited):
            return "The comment was deleted: bring it back first."
        return "It says that already." if self.edited.comment == self.text else ""

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        return {"comment": self.edited.pk, "was": self.edited.comment, "is": self.text}

    def after_change(self, activities: Mapping[int, Activity], at: datetime) -> None:
        Activity.objects.filter(pk=self.edited.pk).update(comment=self.text, edited_at=at)

    @classmethod
    def undo_refusal(cls, incident: Incident, activity: Activity) -> str:
        comment = Activity.objects.get(pk=activity.details["comment"])
        is_as_left = not comment.undone_at and comment.comment == activity.details["is"]
        return "" if is_as_left else "The comment was changed since: there is nothing to undo."

    @classmethod
    def after_restore(cls, undone: Mapping[int, Activity], incidents: Mapping[int, Incident], at: datetime) -> None:
        for activity in undone.values():
            comment = Activity.objects.filter(pk=activity.details["comment"])
            comment.update(comment=activity.details["was"], edited_at=at)

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return "changed a comment"


def edit_comment(comment: Activity, *, by: User, text: str) -> Activity:
    """Change the text of a comment. Raises InvalidTransition for a comment of another person or a deleted one."""
    must_be_author(comment, by)
    return EditComment(comment, text).perform(comment.incident, by=by)


def delete_comment(comment: Activity, *, by: User) -> Activity:
    """Delete a comment. Raises InvalidTransition for a comment of another person or a deleted one."""
    must_be_author(comment, by)
    return DeleteComment(comment).perform(comment.incident, by=by)


def must_be_author(activity: Activity, by: User) -> None:
    if activity.by_id != by.pk:
        raise InvalidTransition("Only who wrote a comment may change it.")


def _is_gone(comment: Activity) -> bool:
    return Activity.objects.filter(pk=comment.pk, undone_at__isnull=False).exists()
