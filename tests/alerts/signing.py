"""A key and a certificate for tests that sign messages as Amazon SNS does."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

CERTIFICATE_URL = (
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"
)
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIDGzCCAgOgAwIBAgIUEmuoIsfdYh5b819CcXCIfg1fyWAwDQYJKoZIhvcNAQEL
BQAwHDEaMBgGA1UEAwwRc25zLmFtYXpvbmF3cy5jb20wIBcNMjYxMTI0MTUyNTI3
WhgPMjEyNjEwMzExNTI1MjdaMBwxGjAYBgNVBAMMEXNucy5hbWF6b25hd3MuY29t
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0Z3Mo/gPdMqYDrk/TXsi
RWDn+cH1MXsjT8E7QX4KPfLBsmKV/piJKVeqgmJdwrYApq+q0zxNXk2mEGUimpbM
YSmzyK0NsifFEI+hPBfLLrD/N7Vd/p2dSwxwOIxwOvOib6o4iAQrHr2+9gg4sj1j
FQgv6KkIBkfEF7Pyfw8Cxpmb4hwtT8tRFXntNk9YT3B6B78z83ICUV+XRLC1k739
RAxgM/QcfoOy0Otoq0nfDUOVZJYWWwWkIXj3NGXcYRQpyRrvuS6WwGYGsxcTC3BW
gbBsIv/r4RvyXdy3e6kqP0W0K4vkcCyJdUI4C7O7sFo9GGZGDtj+QDCOJiK1e7Sz
XQIDAQABo1MwUTAdBgNVHQ4EFgQUP4ys95V2GIsrWhpR8L5mEczuurYwHwYDVR0j
BBgwFoAUP4ys95V2GIsrWhpR8L5mEczuurYwDwYDVR0TAQH/BAUwAwEB/zANBgkq
hkiG9w0BAQsFAAOCAQEADYKG8UMFXIYE9qLy+J0oYZ2Af2Hi0LL2nm1AaOxRu/MT
sdultz1RGRczSN0nfx+g+BBpbVClncmMa4CZA/+oBFmuaX9px5TV+p0nszXlxMN9
JdAtQYNhBCR35I04r3VDO6kcupxA7yaoir6+Vq4P7ZV1xHoOGaQoQYB41AOTBM/r
Vx6KGcn+A5ZbB60e8wHLG4cZw05jH+pEZZEY+aSuiw1tiPpuIjWLkWxdnp4kjlRX
W6We/u0n/c4IHwg+zzhd9KBT6dRDVrmEpogulPN+aYHutoflLZojC3jxJlPUQuXq
LRBLMy8AApNclKGn+FWunBpTl2+a3s7lOKX2LsJj0Q==
-----END CERTIFICATE-----
"""
_MODULUS = int(
    "d19dcca3f80f74ca980eb93f4d7b224560e7f9c1f5317b234fc13b417e0a3df2c1b26295fe98892957aa82625dc2b600a6af"
    "aad33c4d5e4da61065229a96cc6129b3c8ad0db227c5108fa13c17cb2eb0ff37b55dfe9d9d4b0c70388c703af3a26faa3888"
    "042b1ebdbef60838b23d6315082fe8a9080647c417b3f27f0f02c6999be21c2d4fcb511579ed364f584f707a07bf33f37202"
    "515f9744b0b593bdfd440c6033f41c7e83b2d0eb68ab49df0d43956496165b05a42178f73465dc611429c91aefb92e96c066"
    "06b317130b705681b06c22ffebe11bf25ddcb77ba92a3f45b42b8be4702c897542380bb3bbb05a3d1866460ed8fe40308e26"
    "22b57bb4b35d",
    16,
)
_PRIVATE_EXPONENT = int(
    "5bc3170450c84cf9f6ad54fb1944e6309c2d243daf90d1b57ecfb9ff66728bc251ac3db8f5934751d6ad2fb069b19e84c740"
    "55f63957c53be25b816a963203fcf1bc9404eddec160983761cc64be22741c929b67c8d9e06692336174594d288aa8477dc1"
    "809e72fead987d50e15ca1682ed223dc9b4517c26e7decc588ee4fbe8d5f58168cacd6db4338f0d2c5716ed2121e1f9a71e2"
    "79c6faf2e86f9bf1400e7c2ccf6e81e67a3c17b2da6db58a8f459acb3c70c568c26f97899c5a8ab621b5e8aa2d4f3617e068"
    "e021cec9d9bc5411b4350032da81215c7e7017caf39193160151ebdfe462964f0f6fe713bfb1c636b367bb2b90db54fca497"
    "5b71e744da3",
    16,
)
_INFO = {"1": ("sha1", "3021300906052b0e03021a05000414"), "2": ("sha256", "3031300d060960864801650304020105000420")}


def signed(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its signature over the fields that SNS documents, in their order."""
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    if message["Type"] == "Notification":
        names = [name for name in names if name not in ("SubscribeURL", "Token")]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    digest, info = _INFO[message["SignatureVersion"]]
    signed_info = bytes.fromhex(info) + hashlib.new(digest, text.encode()).digest()
    padded = b"\x00\x01" + b"\xff" * (256 - len(signed_info) - 3) + b"\x00" + signed_info
    signature = pow(int.from_bytes(padded, "big"), _PRIVATE_EXPONENT, _MODULUS).to_bytes(256, "big")
    return message | {"Signature": base64.b64encode(signature).decode()}
