from __future__ import annotations

from appkeys.management.issue_command import IssueCommand
from appkeys.models import OrgToken


class Command(IssueCommand):
    help = "Create an organization token; prints it alone on stdout, once."
    model = OrgToken
