"""A real OpenID provider, in a thread of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests


@dataclass
class OpenIDProvider:
    """Its people are made by `person`; `approve` is what a person does on its page."""

    url: str
    settings: dict[str, Any] = field(default_factory=dict)

    def register(self, origin: str) -> None:
        """Make the site at this origin a client."""
        body = {
            "redirect_uris": [f"{origin}/sign-in/with/lab/back/"],
            "token_endpoint_auth_method": "client_secret_basic",
        }
        client = requests.post(f"{self.url}/oauth2/clients", json=body, timeout=10).json()
        self.settings.update(
            {
                "id": "lab",
                "name": "Our lab",
                "server_url": self.url,
                "client_id": client["client_id"],
                "secret": client["client_secret"],
            }
        )

    def person(self, sub: str, **claims: Any) -> str:
        requests.put(f"{self.url}/users/{sub}", json=claims, timeout=10).raise_for_status()
        return sub

    def approve(self, address: str, sub: str) -> str:
        """Where the provider sends the browser back to, as an address of this site."""
        answer = requests.post(address, data={"sub": sub}, allow_redirects=False, timeout=10)
        back = urlsplit(answer.headers["Location"])
        return f"{back.path}?{back.query}"

    def deny(self, address: str) -> str:
        answer = requests.post(address, data={"action": "deny"}, allow_redirects=False, timeout=10)
        back = urlsplit(answer.headers["Location"])
        return f"{back.path}?{back.query}"


@pytest.fixture(scope="session")
def openid_server() -> Iterator[str]:
    import oidc_provider_mock

    with oidc_provider_mock.run_server_in_thread(
        require_client_registration=True, require_nonce=True
    ) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def openid(openid_server: str, settings: Any) -> OpenIDProvider:
    """The provider `lab`, with us as its registered client; neither trusted nor open until a test says so."""
    provider = OpenIDProvider(openid_server)
    provider.register("http://testserver")
    settings.OIDC = [provider.settings]
    return provider
