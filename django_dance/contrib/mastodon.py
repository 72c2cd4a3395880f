from __future__ import annotations

from ..exceptions import PlaceError
from ..providers import (
    HostPlace,
    OAuth2Provider,
    ServerMetadata,
    discover_authorization_server,
)


class Mastodon(OAuth2Provider):
    """https://docs.joinmastodon.org/spec/oauth/ — set ``PLACES`` to the servers that your users may
    connect to: the site registers itself at each. Or set ``HOST`` to one server."""

    documentation = "https://docs.joinmastodon.org/spec/oauth/"
    checked = "2026-11"
    # https://github.com/mastodon/mastodon/blob/HEAD/config/routes/settings.rb
    registration_url = "https://mastodon.social/settings/applications"
    host = "mastodon.social"
    place_kind = HostPlace(handles=True, example="mastodon.social")
    registers_itself = True
    base_url = "https://{host}/api/"
    authorization_url = "https://{host}/oauth/authorize"
    token_url = "https://{host}/oauth/token"
    auto_refresh_url = None
    revocation_url = "https://{host}/oauth/revoke"
    client_auth = "post"
    # https://docs.joinmastodon.org/api/oauth-scopes/
    scope_implies = {"read": ("read:*",), "write": ("write:*",)}
    scope = "read"
    # https://docs.joinmastodon.org/methods/accounts/#verify_credentials
    account_url = "v1/accounts/verify_credentials"
    account_id = "id"
    account_label = "acct"

    def discover(self, asked_by: str) -> ServerMetadata | None:
        if self.credentials:
            return None  # the site has a client, and the facts name the endpoints
        # https://docs.joinmastodon.org/methods/oauth/: the issuer has a slash at its end.
        issuer = f"https://{self.place}/"
        try:
            return discover_authorization_server(
                issuer, asked_by=asked_by, verify=self.ca_bundle or True
            )
        except PlaceError as error:
            if error.code != "place_metadata":
                raise
        # Before 4.3 there are no metadata.
        return ServerMetadata(
            issuer=issuer,
            authorization_endpoint=self.authorization_url,
            token_endpoint=self.token_url,
            revocation_endpoint=self.revocation_url or "",
            app_registration_endpoint=f"{issuer}api/v1/apps",
        )
