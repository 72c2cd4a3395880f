from ..providers import OAuth2Provider


class Lichess(OAuth2Provider):
    """https://lichess.org/api#tag/oauth — Lichess has no registration: choose any unique name as
    ``CLIENT_ID``. There is no secret. Set ``HOST`` to use your own server."""

    documentation = "https://lichess.org/api#tag/oauth"
    checked = "2026-11"
    host = "lichess.org"
    base_url = "https://{host}/api/"
    # The opening explorer: https://github.com/lichess-org/api/tree/HEAD/doc/specs/tags/openingexplorer
    api_origins = ("https://explorer.lichess.org",)
    authorization_url = "https://{host}/oauth"
    token_url = "https://{host}/api/token"
    auto_refresh_url = None
    revocation_url = "https://{host}/api/token"
    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = ""
    client_auth = "none"
    account_url = "account"
    account_id = "id"
    account_label = "username"
    choose_account_params = {"username": "{id}"}
