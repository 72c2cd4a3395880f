from ..providers import OAuth2Provider


class Snapchat(OAuth2Provider):
    """https://developers.snap.com/snap-kit/login-kit/overview"""

    documentation = "https://developers.snap.com/snap-kit/login-kit/overview"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/snapchat.rst
    registration_url = "https://kit.snapchat.com/manage/"
    base_url = "https://api.snapkit.com/v1/"
    authorization_url = "https://accounts.snapchat.com/accounts/oauth2/auth"
    token_url = "https://accounts.snapchat.com/accounts/oauth2/token"
    revocation_url = "https://accounts.snapchat.com/accounts/oauth2/revoke"
    client_auth = "post"
    scope = (
        "https://auth.snapchat.com/oauth2/api/user.external_id",
        "https://auth.snapchat.com/oauth2/api/user.display_name",
    )
    # https://github.com/pennersr/django-allauth/blob/HEAD/allauth/socialaccount/providers/snapchat/views.py
    account_url = "me"
    account_method = "POST"
    account_json = {"query": "{ me { externalId displayName } }"}
    account_id = "data.me.externalId"
    account_label = "data.me.displayName"
    # Some clients send their credentials by Basic, others in the body.
    unconfirmed = ("client_auth", "pkce", "refresh_rotates")
