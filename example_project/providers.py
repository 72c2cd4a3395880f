"""The two providers, as classes of facts like every other provider."""

from django_dance.providers import OAuth1Provider, OAuth2Provider


class Notebook(OAuth2Provider):
    """The authorization server in ``notebook.py``."""

    origin = "http://127.0.0.1:8000"
    base_url = "{origin}/notebook/api/"
    authorization_url = "{origin}/notebook/authorize/"
    token_url = "{origin}/notebook/token/"
    revocation_url = "{origin}/notebook/revoke/"
    issuer = "{origin}"
    authorization_response_iss = True
    refresh_rotates = True
    scope = "read"
    account_url = "me"
    account_id = "id"
    account_label = "name"
    permanent_account_ids = ("id",)
    choose_account_params = {"prompt": "login"}


class Album(OAuth1Provider):
    """The older site in ``album.py``."""

    origin = "http://127.0.0.1:8000"
    base_url = "{origin}/album/api/"
    request_token_url = "{origin}/album/request-token/"
    authorization_url = "{origin}/album/authorize/"
    access_token_url = "{origin}/album/access-token/"
    signature_method = "HMAC-SHA256"
