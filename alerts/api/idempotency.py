"""Idempotency keys: a request repeated with the same Idempotency-Key gets the first reply again and has no effect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from alerts.events import fingerprint
from alerts.models import IdempotentReply
from appkeys.models import OrgToken

KEPT_FOR = timedelta(hours=24)
KEY_LIMIT = 255


class KeyReused(APIException):
    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_detail = "This Idempotency-Key was sent before with another payload. Send a new key with each new request."


class KeyTooLong(APIException):
    status_code = HTTPStatus.BAD_REQUEST
    default_detail = f"Idempotency-Key: must have at most {KEY_LIMIT} characters."


def reply_once(key: str, *, token: OrgToken, request: bytes, answer: Callable[[], Response]) -> Response:
    """Return the reply to the first request with this key, or the reply of `answer` if this request is the first.

    Only successful replies are stored. Of two simultaneous requests, the second waits for the row of the first, and
    then finds its reply. Raise KeyReused if the first request had another payload.
    """
    if len(key) > KEY_LIMIT:
        raise KeyTooLong
    content = UUID(fingerprint(request.hex()))
    with transaction.atomic():
        defaults = {"request": content, "status": 0, "created_at": timezone.now()}
        row, is_first = IdempotentReply.objects.get_or_create(
            key=UUID(fingerprint(f"{token.pk}\0{key}")), defaults=defaults
        )
        if not is_first and row.request != content:
            raise KeyReused
        if not is_first:
            return Response(row.body, row.status, headers={"Idempotent-Replayed": "true"})
        response = answer()
        if response.status_code < HTTPStatus.BAD_REQUEST:
            row.status, row.body = response.status_code, response.data
            row.save()
        else:
            row.delete()
    return response


def forget_old() -> int:
    """Delete replies older than KEPT_FOR. Return how many."""
    return IdempotentReply.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()[0]
