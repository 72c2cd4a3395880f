import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..providers import OIDCProvider

_TENANT_ID = re.compile(r"[0-9a-f-]{36}|\{tenantid\}")


class Azure(OIDCProvider):
    """https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow — add
    ``offline_access`` to ``SCOPE`` to get a refresh token. ``TENANT`` restricts the accounts:
    ``common``, ``organizations``, ``consumers``, or a directory's id or domain name. For a national
    cloud set ``HOST`` (``login.microsoftonline.us``, ``login.partner.microsoftonline.cn``) and
    ``BASE_URL`` (``https://graph.microsoft.us/`` or ``https://dod-graph.microsoft.us/``,
    ``https://microsoftgraph.chinacloudapi.cn/``), and register your site at its portal
    (``portal.azure.us``, ``portal.azure.cn``)."""

    documentation = "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow"
    checked = "2026-11"
    # https://learn.microsoft.com/entra/identity-platform/quickstart-register-app
    registration_url = "https://entra.microsoft.com/"
    # https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud and
    # https://learn.microsoft.com/graph/deployments list the hosts of the national clouds.
    host = "login.microsoftonline.com"
    base_url = "https://graph.microsoft.com/"
    authorization_url = "https://{host}/{tenant}/oauth2/v2.0/authorize"
    token_url = "https://{host}/{tenant}/oauth2/v2.0/token"
    device_authorization_url = "https://{host}/{tenant}/oauth2/v2.0/devicecode"
    end_session_url = "https://{host}/{tenant}/oauth2/v2.0/logout"
    jwks_url = "https://{host}/{tenant}/discovery/v2.0/keys"
    # https://learn.microsoft.com/entra/identity-platform/userinfo
    userinfo_url = "oidc/userinfo"
    issuer = "https://{host}/{tenant}/v2.0"
    scope = ("openid", "email", "profile", "User.Read")
    scope_required = True
    # Each refresh grants a new refresh token, and the old one remains valid:
    # https://learn.microsoft.com/entra/identity-platform/refresh-tokens
    refresh_token_lifetime = 90
    # https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-device-code
    refusals = {"cancelled": ("authorization_declined",), "dead": ("bad_verification_code",)}
    account_url = "v1.0/me"
    account_id = "id"
    # Each tenant is an issuer of its own, and the id of a guest differs in each tenant.
    permanent_account_ids: Sequence[str] = ()
    account_label = "displayName"
    choose_account_params = {"prompt": "select_account"}

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
        return issuer == self.issuer or self._names_tenant_id(issuer)

    def issuer_of(self, claims: Mapping[str, Any]) -> str:
        if self.tenant in ("common", "organizations"):
            return f"https://{self.host}/{claims.get('tid')}/v2.0"
        # "consumers" and domain names are aliases of a tenant; the metadata contain its id.
        alias = not self._names_tenant_id(str(self.issuer))
        return str(self.metadata()["issuer"] if alias else self.issuer)

    def _names_tenant_id(self, issuer: str) -> bool:
        tenant = issuer.removeprefix(f"https://{self.host}/").removesuffix("/v2.0")
        return (
            _TENANT_ID.fullmatch(tenant) is not None
            and issuer == f"https://{self.host}/{tenant}/v2.0"
        )
