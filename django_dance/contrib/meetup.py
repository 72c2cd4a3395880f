from ..providers import OAuth2Provider


class Meetup(OAuth2Provider):
    """https://www.meetup.com/graphql/authentication/ — Meetup's key is ``client_id``, and its
    secret is ``client_secret``. The API is GraphQL, at ``gql-ext``, and needs Meetup Pro."""

    documentation = "https://www.meetup.com/graphql/authentication/"
    checked = "2026-11"
    registration_url = "https://www.meetup.com/api/oauth/list/"
    base_url = "https://api.meetup.com/"
    authorization_url = "https://secure.meetup.com/oauth2/authorize"
    token_url = "https://secure.meetup.com/oauth2/access"
    client_auth = "post"
    scope = "basic"
    # A refresh token can be used once.
    refresh_rotates = True
    # https://www.meetup.com/graphql/guide/
    account_url = "gql-ext"
    account_method = "POST"
    account_json = {"query": "query { self { id name } }"}
    account_id = "data.self.id"
    account_label = "data.self.name"
    unconfirmed = ("pkce", "registration_url", "scope")
