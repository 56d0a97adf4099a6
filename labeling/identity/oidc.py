"""OpenID Connect, stricter than allauth's own: the ID token is wanted, signed, and bound to this sign-in.

PKCE (RFC 7636) is always on. The nonce (OpenID Connect Core 1.0, 3.1.2.1) is derived from PKCE's verifier,
which waits in the session beside the state, so nothing more has to be kept.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import jwt
from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.utils import generate_code_challenge
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest

SIGNED_BY = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
"""By a key that only the provider has; our own secret (HS256) would prove nothing."""
CLOCKS_DIFFER_SECONDS = 60


def nonce_of(verifier: str) -> str:
    return hashlib.sha256(f"nonce of {verifier}".encode()).hexdigest()


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """Talks to the provider. Raises OAuth2Error where its word cannot be taken."""

    @property
    def basic_auth(self) -> bool:
        """Discovery 1.0, section 3: a provider that names no way takes the secret by basic authentication."""
        ways = self.openid_config.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return "client_secret_post" not in ways

    def get_access_token_data(
        self, request: HttpRequest, app: Any, client: Any, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        self.verifier = pkce_code_verifier or ""
        data: dict[str, Any] = super().get_access_token_data(request, app, client, pkce_code_verifier)
        return data

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **more: Any) -> Any:
        claims = self._claims(app, more["response"].get("id_token") or "")
        if "userinfo_endpoint" in self.openid_config:
            told = self._fetch_user_info(token.token)
            # Core 1.0, 5.3.2: the two must speak of the same person.
            if told.get("sub") != claims.get("sub"):
                raise OAuth2Error("userinfo is about somebody else")
            claims = {**claims, **told}
        return self.get_provider().sociallogin_from_response(request, claims)

    def _claims(self, app: Any, id_token: str) -> dict[str, Any]:
        """What the ID token says, after every check of Core 1.0, section 3.1.3.7."""
        config = self.openid_config
        try:
            with get_adapter().get_requests_session() as session:
                keys = jwt.PyJWKSet.from_dict(session.get(config["jwks_uri"]).json()).keys
            header = jwt.get_unverified_header(id_token)
            named = [key for key in keys if header.get("kid") in (None, key.key_id)]
            if header["alg"] not in SIGNED_BY or len(named) != 1:
                raise OAuth2Error("the ID token names no key of the provider")
            claims: dict[str, Any] = jwt.decode(
                id_token,
                named[0],
                algorithms=[header["alg"]],
                issuer=config["issuer"],
                audience=app.client_id,
                leeway=CLOCKS_DIFFER_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, KeyError) as error:
            raise OAuth2Error(f"the ID token cannot be believed: {error!r}") from error
        if claims.get("azp", app.client_id) != app.client_id:
            raise OAuth2Error("the ID token was made for another client")
        nonce = str(claims.get("nonce", "")).encode()
        if not self.verifier or not hmac.compare_digest(nonce, nonce_of(self.verifier).encode()):
            raise OAuth2Error("the nonce is another sign-in's")
        return claims


class Provider(OpenIDConnectProvider):  # type: ignore[misc]
    oauth2_adapter_class = Adapter

    def get_pkce_params(self) -> dict[str, str]:
        params: dict[str, str] = generate_code_challenge()
        return {**params, "nonce": nonce_of(params["code_verifier"])}

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """allauth would take the scope, the process and more from the address; here the session decides."""
        kwargs = {"process": "connect" if request.user.is_authenticated else "login"}
        if target := get_next_redirect_url(request):
            kwargs["next_url"] = target
        return kwargs

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """Nothing of a person is kept but the provider's name for them."""
        return {}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[Any]:
        """Some providers write `email_verified` as a string; only the true value counts."""
        found = super().extract_email_addresses(data)
        for address in found:
            address.verified = data.get("email_verified") is True
        return list(found)
