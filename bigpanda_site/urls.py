"""The map."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView

from people import views as people

handler400 = "alerts.api.bad_request"
urlpatterns = [
    path("", include("alerts.urls")),
    path("", include("incidents.urls")),
    path("integrations/", include("appkeys.urls")),
    path("integrations", RedirectView.as_view(pattern_name="appkeys:list")),
    path("login", people.SignIn.as_view(), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("theme", people.theme, name="theme"),
]
