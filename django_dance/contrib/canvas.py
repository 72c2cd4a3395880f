from ..providers import HostPlace, OAuth2Provider


class Canvas(OAuth2Provider):
    """https://developerdocs.instructure.com/services/canvas/oauth2 — set ``HOST`` to the host of
    the institution, or ``PLACES`` to those of several. Its administrator creates a developer key.
    If the key requires scopes, set ``SCOPE``, with the scope of the request for the user."""

    documentation = "https://developerdocs.instructure.com/services/canvas/oauth2"
    checked = "2026-11"
    registration_url = (
        "https://developerdocs.instructure.com/services/canvas/oauth2/file.developer_keys"
    )
    host: str = ""
    place_kind = HostPlace(example="canvas.example.edu")
    base_url = "https://{host}/api/v1/"
    authorization_url = "https://{host}/login/oauth2/auth"
    # PKCE: https://github.com/instructure/canvas-lms/blob/HEAD/lib/canvas/oauth/pkce.rb
    token_url = "https://{host}/login/oauth2/token"
    revocation_url = "https://{host}/login/oauth2/token"
    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = ""
    client_auth = "post"
    # https://github.com/instructure/canvas-lms/blob/HEAD/doc/api/oauth_endpoints.md
    refresh_rotates = False
    choose_account_params = {"force_login": "1"}
    # https://github.com/instructure/canvas-lms/blob/HEAD/lib/canvas/oauth/request_error.rb
    refusals = {"dead": ("invalid_request: refresh_token not found",)}
    account_url = "users/self"
    account_id = "id"
    account_label = "name"
