from __future__ import annotations

from appkeys.management.issue_command import IssueCommand
from appkeys.models import AppKey


class Command(IssueCommand):
    help = "Create an App Key for the integration NAME; prints it alone on stdout, once."
    model = AppKey
