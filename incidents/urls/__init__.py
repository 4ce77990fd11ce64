"""Addresses of the pages about incidents."""

from __future__ import annotations

from django.urls import path

from incidents.views import (
    actions,
    bulk,
    completions,
    environments,
    feed,
    grouping,
    incident,
    panes,
    tags,
    wallboards,
    why,
)

app_name = "incidents"
urlpatterns = [
    path("", feed.feed, name="feed"),
    path("incidents/<int:pk>", incident.detail, name="detail"),
    path("incidents/<int:pk>/alerts", incident.detail, {"tab": "alerts"}, name="alerts"),
    path("incidents/<int:pk>/timeline", incident.detail, {"tab": "timeline"}, name="timeline"),
    path("incidents/<int:pk>/activity", incident.detail, {"tab": "activity"}, name="activity"),
    path("incidents/<int:pk>/why", incident.detail, {"tab": "why"}, name="why"),
    path("incidents/<int:pk>/comment", actions.comment, name="comment"),
    path("wallboards", wallboards.listing, name="wallboards"),
    path("wallboards/<int:pk>/renew", wallboards.renew, name="wallboard_renew"),
    path("wallboards/<int:pk>/revoke", wallboards.revoke, name="wallboard_revoke"),
    path("wall/<str:secret>", wallboards.screen, name="wall"),
    path("environments/new", environments.new, name="environment_new"),
    path("environments/preview", environments.preview, name="environment_preview"),
    path("environments/<int:pk>", environments.edit, name="environment_edit"),
    path("environments/<int:pk>/delete", environments.delete, name="environment_delete"),
    path("environments/<int:pk>/restore", environments.restore, name="environment_restore"),
    path("environments/<int:pk>/star", environments.star, name="environment_star"),
    path("live/state", feed.state, name="state"),
    path("live/behind", feed.behind, name="behind"),
    path("panes", panes.remember, name="panes"),
    path("suggestions", completions.suggest, name="suggest"),
    path("incidents/<int:pk>/comments/<int:activity>", actions.edit_comment, name="comment_edit"),
    path("incidents/<int:pk>/comments/<int:activity>/delete", actions.delete_comment, name="comment_delete"),
    path("incidents/<int:pk>/merge", grouping.merge, name="merge"),
    path("incidents/<int:pk>/split", grouping.split, name="split"),
    path("incidents/<int:pk>/undo", actions.undo, name="undo"),
    path("incidents/<int:pk>/<slug:name>", actions.act, name="act"),  # last, since most paths above look like one
    path("undo", actions.undo_last, name="undo_last"),
    path("merge", grouping.merge_chosen, name="merge_chosen"),
    path("bulk", bulk.ask, name="bulk_ask"),
    path("bulk/<int:pk>", bulk.detail, name="bulk"),
    path("bulk/<int:pk>/start", bulk.start, name="bulk_start"),
    path("bulk/<int:pk>/undo", bulk.undo, name="bulk_undo"),
    path("bulk/<int:pk>/card", bulk.card, name="bulk_card"),
    path("bulk/<int:pk>/dismiss", bulk.dismiss, name="bulk_dismiss"),
    path("tags", tags.definitions, name="tags"),
    path("tags/<int:pk>", tags.edit, name="tag_edit"),
    path("tags/<int:pk>/delete", tags.delete, name="tag_delete"),
    path("why-not", why.page, name="why_not"),
    path("why-not.json", why.as_json, name="why_not_json"),
]
