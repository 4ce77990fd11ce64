"""A check of passwords that are guessed first: a season, a month or a name, with a year or signs ("Sommer2026!")."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

FEWEST_CHARACTERS = 5  # different ones
LONGEST = 60  # letters; a longer row of such words is not easy to guess
LEAST_LETTERS = 3  # of a part of a host name
_WORDS = (
    # seasons, months and days, in some languages
    "spring summer autumn fall winter fruehling fruhling fruehjahr fruhjahr sommer herbst printemps ete automne hiver "
    "primavera verano otono invierno estate autunno inverno lente zomer herfst "
    "january february march april may june july august september october november december "
    "jan feb mar apr jun jul aug sep sept oct nov dec "
    "januar februar maerz marz mai juni juli oktober dezember janvier fevrier mars avril juin juillet aout septembre "
    "octobre novembre decembre enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
    "diciembre gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre "
    "monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag "
    "sonntag "
    # what stands for a password
    "password passwort passwd pass kennwort geheim secret welcome willkommen bienvenue bienvenido hello hallo start "
    "login signin change changeme me letmein new neu temp test testing default master super access qwerty qwertz "
    "azerty asdf abc abcd xyz iloveyou love god dragon monkey football baseball "
    # who and where
    "admin administrator root user guest operator manager support helpdesk service system server network noc soc "
    "company firma office work team our my the "
    # this console and its neighbors
    "incident incidents console alert alerts alarm event events monitoring monitor oncall ops devops sre bigpanda "
    "panda nagios zabbix icinga prometheus grafana datadog pagerduty opsgenie splunk"
)
TRIED_FIRST = frozenset(_WORDS.split())
LOOKALIKES = str.maketrans("0134578@$!|€", "oieastbasile")


class ObviousWordsValidator:
    """Refuse a password whose letters are only such words, the names of the console's hosts, and the person's own names."""

    def validate(self, password: str, user: Any = None) -> None:
        folded = unicodedata.normalize("NFKD", password.casefold())
        plain = "".join(each for each in folded if not unicodedata.combining(each))
        words = {*TRIED_FIRST, *_own_words(user)}
        spelled = re.sub("[^a-z]+$", "", plain).translate(LOOKALIKES)  # "P4ssw0rd2026": digits at the end are digits
        is_obvious = any(_is_made_of(words, re.sub("[^a-z]", "", text)) for text in (plain, spelled))
        if len(set(plain)) < FEWEST_CHARACTERS or (is_obvious and plain.isascii()):
            raise ValidationError(
                "This password is among the first that somebody would try: such as a season, a month or a name, with "
                "digits or signs. Choose several words that do not belong together.",
                code="password_of_obvious_words",
            )

    def get_help_text(self) -> str:
        return "Choose several words that do not belong together, not a season, a month or a name with digits."


def _own_words(user: Any) -> set[str]:
    """Return the words of the addresses and names that everybody in the company knows."""
    names = [*settings.ALLOWED_HOSTS, *(str(getattr(user, name, "")) for name in ("email", "username"))]
    names += [str(getattr(user, name, "")) for name in ("first_name", "last_name")]
    words = {word for name in names for word in re.split("[^a-z]+", name.casefold())}
    return {word for word in words if len(word) >= LEAST_LETTERS}


def _is_made_of(words: set[str], letters: str) -> bool:
    """Return whether the letters are one of the words after the other, and nothing else."""
    if len(letters) > LONGEST:
        return False
    ends = {0}
    for end in range(1, len(letters) + 1):
        if any(letters[start:end] in words for start in ends):
            ends.add(end)
    return len(letters) in ends
