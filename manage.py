#!/usr/bin/env python
"""Django's command line; `./console manage …` is this file inside the console's own environment."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
    execute_from_command_line(sys.argv)
