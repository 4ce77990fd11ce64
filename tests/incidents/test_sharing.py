"""Sharing of incidents with users and e-mail addresses, and the folder Shared (docs/wire-contract.md §5.2)."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone

from incidents import actions
from incidents.actions import InvalidTransition
from incidents.actions.share_mail import mail_shares
from incidents.feed.folders import Folder
from incidents.models import Activity, BulkAction, Incident, ShareMail
from people.models import User
from tests.conftest import PostEvent
from tests.incidents.test_maintenance import folders
from tests.incidents.test_patterns_api import Script


@pytest.fixture
def rosa(client: Client, responder: User) -> Client:
    """Return the browser of a responder."""
    client.force_login(responder)
    return client


@pytest.fixture
def incident(post_event: PostEvent) -> Incident:
    post_event(host="web-1", check="CPU")
    return Incident.objects.get()


@pytest.fixture
def mail(settings: Any) -> None:
    """Let the console send mail."""
    settings.EMAIL_URL = "smtp://localhost"


@pytest.fixture
def share(rosa: Client, incident: Incident, django_capture_on_commit_callbacks: Any) -> Any:
    def share(*people: User, **fields: str) -> str:
        asked = {"people": [person.pk for person in people], **fields}
        with django_capture_on_commit_callbacks(execute=True):
            reply = rosa.post(f"/incidents/{incident.pk}/share", asked, follow=True)
        return reply.content.decode()

    return share


def test_who_is_told_finds_it_in_the_folder_shared(
    share: Any, incident: Incident, admin: User, viewer: User, rosa: Client
) -> None:
    assert "Shared." in share(admin, viewer, comment="Please look")
    incident.refresh_from_db()
    assert folders(incident) == ["active", "shared"]
    row = rosa.get("/?folder=shared").content.decode()
    assert "Shared with ada, vera" in row
    history = rosa.get(f"/incidents/{incident.pk}/activity").content.decode()
    assert "shared the incident with ada, vera" in history
    assert "Please look" in history
    shown = {each.folder: each.count for each in rosa.get("/").context["sidebar"].everything.folders}
    assert (shown[Folder.ACTIVE], shown[Folder.UNHANDLED], shown[Folder.SHARED]) == ("1", "0", "1")


def test_what_was_shared_with_oneself_is_a_filter(
    share: Any, post_event: PostEvent, incident: Incident, admin: User, viewer: User
) -> None:
    post_event(host="web-2")
    # The stored list holds this name, in which the beginning looks like the entry of another user.
    viewer.first_name = f'["{admin.pk}", "'
    viewer.save()
    share(viewer)
    for person, found in ((viewer, ["web-1"]), (admin, [])):
        looking = Client()
        looking.force_login(person)
        for folder in ("active", "shared"):
            page = looking.get(f"/?shared=me&folder={folder}")
            assert [row.title for row in page.context["page"].rows] == found
        assert "Shared with me" in page.content.decode()


def test_it_is_undone_and_nobody_counts_as_told(share: Any, incident: Incident, admin: User, responder: User) -> None:
    share(admin)
    actions.undo(Activity.objects.get(kind=Activity.Kind.SHARED), by=responder)
    incident.refresh_from_db()
    assert folders(incident) == ["active", "unhandled"]
    assert (incident.shared_with, incident.shared_count) == ([], 0)


def test_nobody_is_told_twice(share: Any, incident: Incident, admin: User, viewer: User, responder: User) -> None:
    share(admin)
    share(admin, viewer)
    incident.refresh_from_db()
    assert [name for _, name in incident.shared_with] == ["ada", "vera"]
    with pytest.raises(InvalidTransition, match="shared with all of them already"):
        actions.share(incident, by=responder, people=[admin])


def test_a_mail_says_what_it_is_and_where(
    mail: None, share: Any, incident: Incident, admin: User, mailoutbox: list[EmailMessage]
) -> None:
    admin.email = "ada@example.com"
    admin.save()
    share(admin, addresses="ops@example.com; ops@example.com boss@example.com", comment="Please look")
    assert sorted(each.to[0] for each in mailoutbox) == ["ada@example.com", "boss@example.com", "ops@example.com"]
    assert all(len(each.recipients()) == 1 for each in mailoutbox)
    first = mailoutbox[0]
    assert first.subject == "Critical: web-1"
    for said in ("rosa shares an incident with you.", "Please look", "1 of 1 alerts active"):
        assert said in first.body
    assert f"http://testserver/incidents/{incident.pk}" in first.body


def test_a_hostile_title_is_one_line_of_the_subject(
    mail: None, share: Any, incident: Incident, mailoutbox: list[EmailMessage]
) -> None:
    Incident.objects.update(title="web\r\nBcc: everybody@example.com\u2028X-Evil: yes\x0b" + "long " * 100)
    share(addresses="ops@example.com")
    message = mailoutbox[0].message()
    assert message["Bcc"] is None
    assert message["X-Evil"] is None
    assert mailoutbox[0].recipients() == ["ops@example.com"]
    assert len(mailoutbox[0].subject) <= 150


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        ("nobody", "nobody is not an e-mail address."),
        ("a@example.com\r\nBcc:b@example.com", "is not an e-mail address."),
        (",".join(f"a{number}@example.com" for number in range(21)), "20 addresses at once; these are 21."),
        (" , ", "Choose somebody to share it with."),
    ],
)
def test_what_is_wrong_with_addresses_is_told(
    mail: None, share: Any, mailoutbox: list[EmailMessage], addresses: str, message: str
) -> None:
    assert message in share(addresses=addresses)
    assert mailoutbox == []
    assert not Activity.objects.filter(kind=Activity.Kind.SHARED).exists()


def test_without_a_mail_server_only_people_are_offered_and_the_dialog_says_why(
    share: Any, rosa: Client, incident: Incident, admin: User, mailoutbox: list[EmailMessage]
) -> None:
    asked = rosa.get(f"/incidents/{incident.pk}/share").content.decode()
    assert "CONSOLE_EMAIL_URL" in asked
    assert 'name="addresses"' not in asked
    admin.email = "ada@example.com"
    admin.save()
    share(admin, addresses="ops@example.com")
    incident.refresh_from_db()
    assert incident.shared_with == [[str(admin.pk), "ada"]]
    assert mailoutbox == []


def test_a_mail_server_that_refuses_takes_nothing_from_the_sharing(
    mail: None, share: Any, incident: Incident, settings: Any
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    assert "Shared." in share(addresses="ops@example.com")
    incident.refresh_from_db()
    assert incident.shared_count == 1


def test_a_mail_that_could_not_be_sent_is_sent_by_the_sweep_once_the_mail_server_is_back(
    mail: None, share: Any, settings: Any, mailoutbox: list[EmailMessage]
) -> None:
    working, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{__name__}.Refusing"
    share(addresses="ops@example.com")
    settings.EMAIL_BACKEND = working
    mail_shares()
    assert mailoutbox == [], "it waits before it tries again"
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        mail_shares()
        mail_shares()
    assert [each.to for each in mailoutbox] == [["ops@example.com"]]


def test_a_mail_whose_message_was_lost_is_sent_by_the_sweep(
    mail: None, rosa: Client, incident: Incident, mailoutbox: list[EmailMessage]
) -> None:
    rosa.post(f"/incidents/{incident.pk}/share", {"addresses": "ops@example.com"})  # nothing runs after the commit
    assert mailoutbox == []
    mail_shares()
    assert [each.to for each in mailoutbox] == [["ops@example.com"]]


def test_a_mail_is_given_up_when_the_mail_server_refuses_for_long(
    mail: None, share: Any, settings: Any, mailoutbox: list[EmailMessage]
) -> None:
    working, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{__name__}.Refusing"
    share(addresses="ops@example.com")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(6):
            clock.shift(timedelta(minutes=2))
            mail_shares()
        settings.EMAIL_BACKEND = working
        clock.shift(timedelta(days=1))
        mail_shares()
    assert mailoutbox == []


def test_a_mail_that_cannot_be_made_keeps_no_other_back_and_is_given_up(
    mail: None, rosa: Client, incident: Incident, mailoutbox: list[EmailMessage]
) -> None:
    rosa.post(f"/incidents/{incident.pk}/share", {"addresses": "ops@example.com"})
    good = ShareMail.objects.get()
    ShareMail.objects.create(activities=good.activities, addresses=good.addresses, site=good.site)
    ShareMail.objects.filter(pk=good.pk).update(addresses=["two\nlines@example.com"])
    with time_machine.travel(timezone.now(), tick=False) as clock:
        mail_shares()
        assert [each.to for each in mailoutbox] == [["ops@example.com"]]
        for _ in range(6):
            clock.shift(timedelta(minutes=2))
            mail_shares()
    assert not ShareMail.objects.exists()


class Refusing:
    """A mail server that has no time."""

    def __init__(self, **options: Any) -> None: ...

    def send_messages(self, messages: list[EmailMessage]) -> int:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")


def test_many_are_shared_in_one_mail_and_undone_as_one(
    mail: None,
    rosa: Client,
    post_event: PostEvent,
    mailoutbox: list[EmailMessage],
    django_capture_on_commit_callbacks: Any,
) -> None:
    for number in range(3):
        post_event(host=f"web-{number}", check="CPU")
    pks = list(Incident.objects.values_list("pk", flat=True))
    rosa.post("/bulk", {"what": "share", "incident": pks})
    with django_capture_on_commit_callbacks(execute=True):
        rosa.post(f"/bulk/{_last_bulk()}/start", {"addresses": "ops@example.com"})
    assert Incident.objects.filter(shared_count=1).count() == 3
    (sent,) = mailoutbox
    assert sent.subject.endswith("and 2 more")
    assert all(f"/incidents/{pk}" in sent.body for pk in pks)
    rosa.post(f"/bulk/{_last_bulk()}/undo")
    assert not Incident.objects.exclude(shared_count=0).exists()


def _last_bulk() -> int:
    return BulkAction.objects.latest("pk").pk


def test_the_api_tells_it(incident: Incident, admin: User, responder: User) -> None:
    script = Script(admin)
    found = "/resources/v2.0/environments/all/incidents?folder=shared"
    assert script("GET", found).json()["items"] == []
    actions.share(incident, by=responder, people=[admin])
    (told,) = script("GET", found).json()["items"]
    assert (told["shared"], told["folders"]) == (True, ["active", "shared"])
    activities = script("GET", f"/resources/v2.0/incidents/{incident.pk}/activities").json()["items"]
    assert "incident_shared" in {each["type"] for each in activities}
