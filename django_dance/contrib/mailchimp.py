from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidResponse
from ..providers import ClientCredentials, OAuth2Provider

if TYPE_CHECKING:
    from ..flows import Flow


class Mailchimp(OAuth2Provider):
    """https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/ — after the grant
    the preset asks Mailchimp for the data centre of the account, and stores it with the token."""

    documentation = "https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/"
    # https://github.com/chillerlan/php-oauth/blob/HEAD/src/Providers/MailChimp.php
    registration_url = "https://admin.mailchimp.com/account/oauth2/"
    base_url = "https://login.mailchimp.com/oauth2/"
    base_url_from_token = "{api_endpoint}/3.0/"
    base_url_domains = ("api.mailchimp.com",)
    authorization_url = "https://login.mailchimp.com/oauth2/authorize"
    token_url = "https://login.mailchimp.com/oauth2/token"
    # Its tokens do not expire.
    auto_refresh_url = None
    client_auth = "post"
    # Stored with the token, as the URL of the API is.
    account_id = "user_id"
    account_label = "accountname"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)

    def granted(
        self, fields: dict[str, Any], flow: "Flow", client: ClientCredentials
    ) -> dict[str, Any]:
        fields = super().granted(fields, flow, client)
        fields.pop("expires_in", None)  # 0, for never
        headers = {"Authorization": f"OAuth {fields['access_token']}"}
        known = self.call("GET", f"{self.base_url}metadata", headers=headers).json()
        if not known.get("api_endpoint"):
            raise InvalidResponse(f"{self.label} does not say where the account's API is.")
        kept = ("api_endpoint", "user_id", "accountname")
        return fields | {name: known[name] for name in kept if name in known}
