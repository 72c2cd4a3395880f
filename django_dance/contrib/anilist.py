from ..providers import OAuth2Provider


class AniList(OAuth2Provider):
    """https://docs.anilist.co/guide/auth/authorization-code — the API is GraphQL: post to
    ``"/"``."""

    documentation = "https://docs.anilist.co/guide/auth/authorization-code"
    checked = "2026-11"
    # https://docs.anilist.co/guide/auth/
    registration_url = "https://anilist.co/settings/developer"
    base_url = "https://graphql.anilist.co/"
    authorization_url = "https://anilist.co/api/v2/oauth/authorize"
    token_url = "https://anilist.co/api/v2/oauth/token"
    # https://docs.anilist.co/guide/auth/: it grants no refresh tokens
    auto_refresh_url = None
    client_auth = "post"
    # https://docs.anilist.co/guide/auth/authenticated-requests
    account_url = "https://graphql.anilist.co/"
    account_method = "POST"
    account_json = {"query": "{ Viewer { id name } }"}
    account_id = "data.Viewer.id"
    account_label = "data.Viewer.name"
    unconfirmed = ("pkce",)
