"""The URL map."""

from __future__ import annotations

from django.urls import include, path, re_path
from django.views.generic import RedirectView

from alerts.api.alerts import NoSuchRoute
from appkeys.views.downloads import wrapper
from bigpanda_site import csp_reports, openapi, probes
from incidents.api.deployments import DeploymentEnd, DeploymentStart
from incidents.urls import maintenance as maintenance_urls
from incidents.urls import patterns as pattern_urls
from people.views import sign_in
from people.views.welcome import welcome

handler400 = "alerts.api.alerts.bad_request"
handler500 = "bigpanda_site.failures.answer"
urlpatterns = [
    path("data/events/deployments/start", DeploymentStart.as_view()),
    path("data/events/deployments/end", DeploymentEnd.as_view()),
    path("api/openapi.json", openapi.view, name="openapi"),
    path("", include("alerts.urls")),
    path("", include("incidents.urls")),
    path("", include("people.urls")),
    path("me", include("people.own_urls")),
    path("patterns", include("incidents.urls.patterns")),
    path("maintenance", include("incidents.urls.maintenance")),
    path("integrations/", include("appkeys.urls")),
    path("integrations", RedirectView.as_view(pattern_name="appkeys:list")),
    path("download/<str:name>", wrapper, name="download"),
    path("login", sign_in.SignIn.as_view(), name="login"),
    path("logout", sign_in.SignOut.as_view(), name="logout"),
    path("welcome/<str:secret>", welcome, name="welcome"),
    *(path(address.lstrip("/"), probes.view(probe), name=probe.__name__) for address, probe in probes.PROBES.items()),
    path("csp-reports", csp_reports.view, name="csp_reports"),
    path("theme", sign_in.theme, name="theme"),
    path("resources/", include(pattern_urls.resources)),
    path("resources/", include(maintenance_urls.resources)),
    path("resources/", include("incidents.urls.resources")),
    re_path(r"^resources(/.*)?$", NoSuchRoute.as_view()),
]
