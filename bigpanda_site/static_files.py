"""Static files under names that change with their content, so that browsers keep them for good."""

from __future__ import annotations

from django.contrib.staticfiles.apps import StaticFilesConfig
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(StaticFilesConfig):
    """Configuration of `collectstatic`, which leaves out files that no page uses."""

    ignore_patterns = [  # noqa: RUF012 - Django reads the list of the class
        *StaticFilesConfig.ignore_patterns,
        "*.d.ts",
        "rest_framework",
        "django_htmx/ext/*",
        "django_htmx/htm*-4.*",
    ]


class HashedFiles(CompressedManifestStaticFilesStorage):
    """A storage that also writes the hashed names into the imports of ES modules."""

    support_js_module_import_aggregation = True
