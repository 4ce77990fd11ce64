"""The routes for senders, their documentation, and the pages of alerts and integrations.

Routes have no trailing slash, and senders are never redirected (docs/wire-contract.md §2.1).
"""

from __future__ import annotations

from django.urls import path, re_path

from alerts.api import alerts as alerts_api
from alerts.api import configurations, webhooks
from alerts.sources import SOURCES
from alerts.views import alert as alert_views
from alerts.views import api_docs
from alerts.views import doctor as doctor_views
from alerts.views import mapping as mapping_views

opsgenie = webhooks.OwnRoute.as_view(own_source=SOURCES["opsgenie"])
senders = [
    path("data/v2/alerts", alerts_api.Alerts.as_view(), name="alerts"),
    path("oim/api/alerts", webhooks.MappedAlerts.as_view()),
    path("oim/<slug:tool>/alerts", webhooks.Webhook.as_view(), name="webhook"),
    path("data/integrations/<slug:tool>", webhooks.Webhook.as_view()),
    path("v2/enqueue", webhooks.OwnRoute.as_view(own_source=SOURCES["pagerduty"])),
    path("v2/alerts", opsgenie, {"action": "create"}),
    re_path(r"^v2/alerts/(?P<alias>.+)/(?P<action>close|acknowledge)$", opsgenie),
    path("configurations/alerts/oim/<str:app_key>", configurations.Configuration.as_view()),
    path("configurations/alerts/oim/<str:app_key>/versions", configurations.Versions.as_view()),
    path("configurations/alerts/oim/<str:app_key>/versions/<int:number>", configurations.Version.as_view()),
    path("configurations/alerts/oim/<str:app_key>/versions/<int:number>/diff", configurations.Diff.as_view()),
    path("configurations/alerts/oim/<str:app_key>/versions/<int:number>/restore", configurations.Restore.as_view()),
    re_path(r"^(data|oim|v2|configurations)(/.*)?$", alerts_api.NoSuchRoute.as_view()),
]
pages = [
    path("alerts/<int:pk>", alert_views.detail, name="alert"),
    path("integrations/<int:pk>/mapping", mapping_views.page, name="mapping"),
    path("integrations/<int:pk>/mapping/save", mapping_views.save, name="mapping_save"),
    path("integrations/<int:pk>/mapping/preview", mapping_views.preview, name="mapping_preview"),
    path("integrations/<int:pk>/mapping/off", mapping_views.switch_off, name="mapping_off"),
    path("integrations/<int:pk>/mapping/<int:number>", mapping_views.version, name="mapping_version"),
    path("integrations/<int:pk>/mapping/<int:number>/restore", mapping_views.restore, name="mapping_restore"),
    path("integrations/<int:pk>/doctor", doctor_views.page, name="doctor"),
    path("integrations/<int:pk>/doctor/tail", doctor_views.tail, name="doctor_tail"),
    path("integrations/<int:pk>/doctor/test", doctor_views.test, name="doctor_test"),
    path("integrations/<int:pk>/doctor/quiet", doctor_views.quiet, name="doctor_quiet"),
    path("api", api_docs.page, name="api"),
]
urlpatterns = [*senders, *pages]
