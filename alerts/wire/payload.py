"""From the bytes of a request to JSON: any content type, gzip, 6 MB at most (docs/wire-contract.md §2.4). Every refusal says what is wrong."""

from __future__ import annotations

import json
import zlib
from http import HTTPStatus

from rest_framework.exceptions import APIException

LIMIT = 6 * 1024 * 1024  # bytes, as sent and as unpacked
DIGITS_LIMIT = 4000  # Python reads no longer integers


class BadPayload(APIException):
    status_code = HTTPStatus.BAD_REQUEST


class PayloadTooLarge(APIException):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_detail = (
        f"The payload is larger than {LIMIT // 1024 // 1024} MB. Send the alerts in several smaller batches."
    )


def parse(body: bytes, content_encoding: str = "") -> object:
    """The JSON value of a body. NaN and infinite numbers are read, as Python's own senders write them; the tag is dropped later, and said.

    Raises BadPayload, or PayloadTooLarge for more than LIMIT bytes.
    """
    match content_encoding.strip().lower():
        case "" | "identity":
            pass
        case "gzip" | "x-gzip":
            body = _unpacked(body)
        case other:
            raise BadPayload(
                f"The content encoding {other!r} is not supported. Send the payload as it is, or with gzip."
            )
    if len(body) > LIMIT:
        raise PayloadTooLarge
    try:
        return _decode(_text(body))
    except UnicodeDecodeError as error:
        raise BadPayload(f"The payload is not UTF-8 text: byte {error.start} cannot be read.") from error
    except RecursionError as error:
        raise BadPayload("The payload is nested too deeply.") from error
    except ValueError as error:
        raise BadPayload(f"The payload is not JSON: {error}.") from error


def _text(body: bytes) -> str:
    """As json.loads does it."""
    if body.isascii() and b"\0" not in body:
        return body.decode("ascii")
    return body.decode(json.detect_encoding(body), "surrogatepass")


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= DIGITS_LIMIT else digits


_decode = json.JSONDecoder(parse_int=_integer).decode


def _unpacked(body: bytes) -> bytes:
    """No more than one byte over the limit is ever unpacked."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(body, LIMIT + 1)
    except zlib.error as error:
        raise BadPayload(f"The payload is not gzip, though its Content-Encoding says so: {error}.") from error
    if len(unpacked) <= LIMIT and not unpacker.eof:
        raise BadPayload("The payload's gzip stream ends too early.")
    return unpacked
