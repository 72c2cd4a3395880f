from ..providers import OAuth2Provider


class Spotify(OAuth2Provider):
    """https://developer.spotify.com/documentation/web-api/tutorials/code-flow"""

    documentation = "https://developer.spotify.com/documentation/web-api/tutorials/code-flow"
    # https://github.com/spotify/web-api-examples/blob/HEAD/authorization/authorization_code/README.md
    registration_url = "https://developer.spotify.com/dashboard"
    base_url = "https://api.spotify.com/"
    authorization_url = "https://accounts.spotify.com/authorize"
    # PKCE: https://github.com/pocketbase/pocketbase/blob/HEAD/tools/auth/spotify.go
    token_url = "https://accounts.spotify.com/api/token"
    # Six months after the user has granted it; a refresh does not extend it:
    # https://developer.spotify.com/blog/2026-06-18-refresh-token-expiration
    refresh_token_lifetime = 180
    # https://developer.spotify.com/documentation/web-api/reference/get-current-users-profile
    account_url = "v1/me"
    # The same page: "id" is not for the linking of accounts.
    account_id = "account_id"
    account_label = "display_name"
    choose_account_params = {"show_dialog": "true"}
    unconfirmed = ("refresh_rotates",)
