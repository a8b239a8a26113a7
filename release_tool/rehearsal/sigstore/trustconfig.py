"""The two documents that a client needs: whom to believe, and where to send what.

They follow Sigstore's formats to the letter; what runs where is told by the stack.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from release_tool.rehearsal.sigstore.authority import Authority, common_name
from release_tool.rehearsal.sigstore.note import LogKey

OPERATOR = "release-tool rehearsal"
TRUSTED_ROOT = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
SIGNING_CONFIG = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
CLIENT_TRUST_CONFIG = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"


Window = Mapping[str, str]
"""From when on, and until when if ever, a key or an authority is to be believed: a TimeRange."""


def since(moment: datetime) -> dict[str, str]:
    """Write a window without an end."""
    return {"start": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}


def describe_log(key: LogKey, url: str, window: Window) -> dict[str, Any]:
    """Describe a log by its key."""
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": base64.b64encode(key.spki).decode(),
            "keyDetails": key.details,
            "validFor": window,
        },
        "logId": {"keyId": base64.b64encode(key.log_id).decode()},
        "operator": OPERATOR,
    }


def describe_authority(authority: Authority, url: str, window: Window) -> dict[str, Any]:
    """Describe an authority by its chain, the one nearest to a leaf first."""
    certificates = [
        {"rawBytes": base64.b64encode(one.public_bytes(Encoding.DER)).decode()}
        for one in authority.chain
    ]
    return {
        "subject": {"organization": OPERATOR, "commonName": common_name(authority)},
        "uri": url,
        "certChain": {"certificates": certificates},
        "validFor": window,
        "operator": OPERATOR,
    }


def describe_service(url: str, version: int, window: Window) -> list[dict[str, Any]]:
    """Describe the one service of its kind."""
    return [
        {
            "url": url,
            "majorApiVersion": version,
            "validFor": window,
            "operator": OPERATOR,
        }
    ]


def make_trusted_root(
    tlog: Mapping[str, Any], ca: Mapping[str, Any], ctlog: Mapping[str, Any], tsa: Mapping[str, Any]
) -> dict[str, Any]:
    """Make a trusted root of the descriptions of its members."""
    return {
        "mediaType": TRUSTED_ROOT,
        "tlogs": [tlog],
        "certificateAuthorities": [ca],
        "ctlogs": [ctlog],
        "timestampAuthorities": [tsa],
    }


def make_signing_config(
    *, fulcio: str, oidc: str, rekor: tuple[str, int], tsa: str, window: Window
) -> dict[str, Any]:
    """Make a signing config of the services' URLs, and of Rekor's API version."""
    return {
        "mediaType": SIGNING_CONFIG,
        "caUrls": describe_service(fulcio, 1, window),
        "oidcUrls": describe_service(oidc, 1, window),
        "rekorTlogUrls": describe_service(*rekor, window),
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaUrls": describe_service(tsa, 1, window),
        "tsaConfig": {"selector": "ANY"},
    }


def make_client_trust_config(
    trusted_root: Mapping[str, Any], signing_config: Mapping[str, Any]
) -> dict[str, Any]:
    """Join the two into what a signing client is given."""
    return {
        "mediaType": CLIENT_TRUST_CONFIG,
        "trustedRoot": trusted_root,
        "signingConfig": signing_config,
    }
