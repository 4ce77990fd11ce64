"""The wire, its documentation, and one alert's page: no trailing slashes, no redirects."""

from __future__ import annotations

from django.urls import path, re_path

from alerts import api, docs, views, webhooks

wire = [
    path("data/v2/alerts", api.Alerts.as_view(), name="alerts"),
    path("oim/api/alerts", api.Alerts.as_view()),
    path("oim/<slug:tool>/alerts", webhooks.Webhook.as_view(), name="webhook"),
    path("data/integrations/<slug:tool>", webhooks.Webhook.as_view()),
    path("v2/enqueue", webhooks.PagerDutyEvents.as_view()),
    path("v2/alerts", webhooks.OpsgenieAlerts.as_view()),
    re_path(r"^v2/alerts/(?P<alias>.+)/(?P<action>close|acknowledge)$", webhooks.OpsgenieAlerts.as_view()),
    re_path(r"^(data|oim|v2)(/.*)?$", api.NoSuchRoute.as_view()),
]
pages = [
    path("alerts/<int:pk>", views.detail, name="alert"),
    path("api", docs.page, name="api"),
    path("api/openapi.json", docs.document, name="openapi"),
]
urlpatterns = [*wire, *pages]
