import re
from collections.abc import Mapping
from typing import Any

from ..providers import OIDCProvider

_ISSUER = re.compile(r"https://login\.microsoftonline\.com/([0-9a-f-]{36}|\{tenantid\})/v2\.0")


class Azure(OIDCProvider):
    """https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow — add
    ``offline_access`` to ``SCOPE`` to get a refresh token. ``TENANT`` restricts the accounts:
    ``common``, ``organizations``, ``consumers``, or a directory's id or domain name."""

    documentation = "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow"
    registration_url = "https://entra.microsoft.com/"
    base_url = "https://graph.microsoft.com/"
    authorization_url = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize"
    token_url = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
    device_authorization_url = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode"
    end_session_url = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/logout"
    jwks_url = "https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys"
    userinfo_url = "https://graph.microsoft.com/oidc/userinfo"
    issuer = "https://login.microsoftonline.com/{tenant}/v2.0"
    scope = ("openid", "email", "profile", "User.Read")
    # https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-device-code
    refusals = {"cancelled": ("authorization_declined",), "dead": ("bad_verification_code",)}
    account_url = "v1.0/me"
    account_id = "id"
    account_label = "displayName"
    choose_account_params = {"prompt": "select_account"}
    unconfirmed = ("registration_url",)

    #: The accounts that may be used.
    tenant = "common"
    #: ``"login"``, ``"none"``, ``"consent"`` or ``"select_account"``.
    prompt: str | None = None
    #: A domain; Azure shows the sign-in page of this domain.
    domain_hint: str | None = None
    #: The user name that the sign-in page shows.
    login_hint: str | None = None

    authorization_url_options = {
        "login_hint": {"login_hint": "{login_hint}"},
        "domain_hint": {"domain_hint": "{domain_hint}"},
        "prompt": {"prompt": "{prompt}"},
    }

    def accepts_issuer(self, issuer: str) -> bool:
        # The metadata for many tenants contain "{tenantid}"; those for one domain contain its id.
        return issuer == self.issuer or _ISSUER.fullmatch(issuer) is not None

    def issuer_of(self, claims: Mapping[str, Any]) -> str:
        if self.tenant in ("common", "organizations"):
            return f"https://login.microsoftonline.com/{claims.get('tid')}/v2.0"
        # "consumers" and domain names are aliases of a tenant; the metadata contain its id.
        alias = _ISSUER.fullmatch(str(self.issuer)) is None
        return str(self.metadata()["issuer"] if alias else self.issuer)
