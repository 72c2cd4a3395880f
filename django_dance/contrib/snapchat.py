from ..providers import OAuth2Provider


class Snapchat(OAuth2Provider):
    """https://developers.snap.com/snap-kit/login-kit/overview"""

    documentation = "https://developers.snap.com/snap-kit/login-kit/overview"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/snapchat.rst
    registration_url = "https://kit.snapchat.com/manage/"
    base_url = "https://api.snapkit.com/v1/"
    authorization_url = "https://accounts.snapchat.com/accounts/oauth2/auth"
    token_url = "https://accounts.snapchat.com/accounts/oauth2/token"
    # Snap's own SDK calls it: https://github.com/Snapchat/login-kit-sample/tree/HEAD/ios/Pods/SnapSDK
    revocation_url = "https://accounts.snapchat.com/accounts/oauth2/revoke"
    client_auth = "post"
    # https://github.com/Snapchat/login-kit-sample/blob/HEAD/react-native/README.md
    scope = (
        "https://auth.snapchat.com/oauth2/api/user.external_id",
        "https://auth.snapchat.com/oauth2/api/user.display_name",
    )
    # Snap's older module asks https://kit.snapchat.com/v1/me; these facts are of
    # https://github.com/pennersr/django-allauth/blob/HEAD/allauth/socialaccount/providers/snapchat/views.py
    account_url = "me"
    account_method = "POST"
    account_json = {"query": "{ me { externalId displayName } }"}
    account_id = "data.me.externalId"
    account_label = "data.me.displayName"
    # Some clients send their credentials by Basic, others in the body.
    unconfirmed = ("account_url", "client_auth", "pkce", "refresh_rotates")
