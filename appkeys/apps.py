from __future__ import annotations

from django.apps import AppConfig


class AppkeysConfig(AppConfig):
    name = "appkeys"
