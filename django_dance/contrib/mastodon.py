from ..providers import HostPlace, OAuth2Provider


class Mastodon(OAuth2Provider):
    """https://docs.joinmastodon.org/spec/oauth/ — set ``HOST`` to the server of the accounts. Each
    server needs a separate entry in ``DANCE_PROVIDERS``."""

    documentation = "https://docs.joinmastodon.org/spec/oauth/"
    registration_url = "https://mastodon.social/settings/applications"
    host = "mastodon.social"
    place_kind = HostPlace(handles=True, example="mastodon.social")
    base_url = "https://{host}/api/"
    authorization_url = "https://{host}/oauth/authorize"
    token_url = "https://{host}/oauth/token"
    auto_refresh_url = None
    revocation_url = "https://{host}/oauth/revoke"
    client_auth = "post"
    # https://docs.joinmastodon.org/api/oauth-scopes/
    scope_implies = {"read": ("read:*",), "write": ("write:*",)}
    scope = "read"
    account_url = "v1/accounts/verify_credentials"
    account_id = "id"
    account_label = "acct"
