from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidResponse
from ..providers import ClientCredentials, OAuth2Provider

if TYPE_CHECKING:
    from ..flows import Flow


class DocuSign(OAuth2Provider):
    """https://developers.docusign.com/platform/auth/authcode — calls go to the server of the user's
    default account, whose id is ``session.token["account_id"]``:
    ``get(f"v2.1/accounts/{account_id}/envelopes")``. ``account_info()`` lists all accounts. Set
    ``SANDBOX`` for a developer account. Add ``extended`` to ``SCOPE``, so that each refresh grants
    30 more days."""

    documentation = "https://developers.docusign.com/platform/auth/authcode"
    checked = "2026-11"
    registration_url = "https://developers.docusign.com/platform/build-integration/"
    # https://developers.docusign.com/platform/auth/reference
    host = "account.docusign.com"
    # https://developers.docusign.com/platform/api-endpoint-base-paths/
    base_url = "https://www.docusign.net/restapi/"
    base_url_from_token = "{base_uri}/restapi/"
    base_url_domains = ("docusign.net",)
    authorization_url = "https://{host}/oauth/auth"
    # HTTP Basic: https://developers.docusign.com/platform/auth/reference/obtain-access-token
    # PKCE: https://developers.docusign.com/platform/auth/confidential-authcode-get-token
    token_url = "https://{host}/oauth/token"
    # https://developers.docusign.com/platform/auth/reference/scopes
    scope = "signature"
    scope_required = True
    refresh_token_lifetime = 30
    # https://developers.docusign.com/platform/auth/reference/user-info
    account_url = "https://{host}/oauth/userinfo"
    account_id = "sub"
    account_label = "name"
    unconfirmed = ("refresh_rotates",)

    #: Use the developer environment.
    sandbox = False

    option_facts = {
        "sandbox": {
            "host": "account-d.docusign.com",
            "base_url": "https://demo.docusign.net/restapi/",
        }
    }

    def granted(
        self, fields: dict[str, Any], flow: "Flow", client: ClientCredentials
    ) -> dict[str, Any]:
        fields = super().granted(fields, flow, client)
        headers = {"Authorization": f"Bearer {fields['access_token']}"}
        accounts = self.call("GET", self.account_url, headers=headers).json().get("accounts")
        for account in accounts if isinstance(accounts, list) else []:
            if isinstance(account, dict) and account.get("is_default") is True:
                kept = ("base_uri", "account_id")
                fields |= {name: account[name] for name in kept if name in account}
        if not fields.get("base_uri"):
            raise InvalidResponse(f"{self.label} does not say where the user's default account is.")
        return fields
