"""One form per action on an incident."""

from __future__ import annotations

from django import forms

COMMENT_LIMIT = 10_000


class CommentForm(forms.Form):
    comment = forms.CharField(
        max_length=COMMENT_LIMIT,
        error_messages={
            "required": "Write something first.",
            "max_length": "A comment can have 10,000 characters; this one has %(show_value)d.",
        },
    )


class ResolveForm(forms.Form):
    comment = forms.CharField(
        max_length=COMMENT_LIMIT,
        required=False,
        error_messages={"max_length": "A comment can have 10,000 characters; this one has %(show_value)d."},
    )
