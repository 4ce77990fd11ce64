"""RSA signatures (PKCS #1 v1.5) with the key of an X.509 certificate, as SNS signs its messages.

The module reads only the DER that such certificates need, and computes with Python's integers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import NamedTuple

_SEQUENCE, _BITS, _VERSION = 0x30, 0x03, 0xA0
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
# DigestInfo of RFC 8017, section 9.2, up to the digest itself.
_DIGEST_INFO = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
}
_RSA_ENCRYPTION = bytes.fromhex("06092a864886f70d010101")
BITS = range(2048, 8193)


class BadCertificate(Exception):
    """A text that is no certificate with an RSA key of an accepted length."""


class PublicKey(NamedTuple):
    modulus: int
    exponent: int

    def verifies(self, signature: str, message: bytes, digest: str) -> bool:
        """Return whether a base64 signature of a message was made with the private key. `digest` is sha1 or sha256."""
        size = (self.modulus.bit_length() + 7) // 8
        try:
            signed = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        number = int.from_bytes(signed, "big")
        if len(signed) != size or number >= self.modulus:
            return False
        info = _DIGEST_INFO[digest] + hashlib.new(digest, message).digest()
        wanted = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
        return hmac.compare_digest(pow(number, self.exponent, self.modulus).to_bytes(size, "big"), wanted)


def key_of(pem: str) -> PublicKey:
    """Return the RSA key of a certificate in PEM. Raise BadCertificate."""
    try:
        [encoded] = _PEM.findall(pem)
        certificate, *_ = _sequence(_one(base64.b64decode(encoded)))
        fields = _sequence(certificate)
        if fields[0].tag == _VERSION:  # absent in certificates of version 1
            fields = fields[1:]
        _serial, _algorithm, _issuer, _validity, _subject, key_info = fields[:6]
        algorithm, bits = _sequence(key_info)
        if bits.tag != _BITS or bits.content[:1] != b"\0" or not algorithm.content.startswith(_RSA_ENCRYPTION):
            raise BadCertificate("the certificate's key is no RSA key")
        modulus, exponent = (int.from_bytes(each.content, "big") for each in _sequence(_one(bits.content[1:])))
    except (ValueError, IndexError, TypeError) as error:
        raise BadCertificate("this is no X.509 certificate in PEM") from error
    key = PublicKey(modulus, exponent)
    if key.modulus.bit_length() not in BITS or key.exponent < 3:
        raise BadCertificate("the certificate's key is too short or too long")
    return key


class Item(NamedTuple):
    """A value of DER."""

    tag: int
    content: bytes


def _sequence(item: Item) -> list[Item]:
    if item.tag != _SEQUENCE:
        raise ValueError("not a sequence")
    items, rest = [], item.content
    while rest:
        each, rest = _next(rest)
        items.append(each)
    return items


def _one(content: bytes) -> Item:
    item, rest = _next(content)
    if rest:
        raise ValueError("more than one item")
    return item


def _next(content: bytes) -> tuple[Item, bytes]:
    tag, length, start = content[0], content[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(content[2:start], "big")
    if len(content) < start + length:
        raise ValueError("cut short")
    return Item(tag, content[start : start + length]), content[start + length :]
