from ..providers import OAuth2Provider


class Meetup(OAuth2Provider):
    """https://www.meetup.com/api/authentication/ — Meetup's key is ``client_id``, and its secret is
    ``client_secret``. The API is GraphQL, at ``gql-ext``."""

    documentation = "https://www.meetup.com/api/authentication/"
    registration_url = "https://www.meetup.com/api/oauth/list/"
    base_url = "https://api.meetup.com/"
    authorization_url = "https://secure.meetup.com/oauth2/authorize"
    token_url = "https://secure.meetup.com/oauth2/access"
    client_auth = "post"
    scope = "basic"
    account_url = "gql-ext"
    account_method = "POST"
    account_json = {"query": "query { self { id name } }"}
    account_id = "data.self.id"
    account_label = "data.self.name"
    unconfirmed = ("pkce", "refresh_rotates", "registration_url")
