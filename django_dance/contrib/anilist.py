from ..providers import OAuth2Provider


class AniList(OAuth2Provider):
    """https://docs.anilist.co/guide/auth/authorization-code — the API is GraphQL: post to
    ``"/"``."""

    documentation = "https://docs.anilist.co/guide/auth/authorization-code"
    registration_url = "https://anilist.co/settings/developer"
    base_url = "https://graphql.anilist.co/"
    authorization_url = "https://anilist.co/api/v2/oauth/authorize"
    token_url = "https://anilist.co/api/v2/oauth/token"
    auto_refresh_url = None
    client_auth = "post"
    account_url = "https://graphql.anilist.co/"
    account_method = "POST"
    account_json = {"query": "{ Viewer { id name } }"}
    account_id = "data.Viewer.id"
    account_label = "data.Viewer.name"
    # Some clients send their credentials by Basic, others in the body.
    unconfirmed = ("client_auth", "pkce", "registration_url")
