from ..providers import OAuth2Provider


class Facebook(OAuth2Provider):
    """https://developers.facebook.com/documentation/facebook-login/guides/advanced/manual-flow —
    set ``API_VERSION`` to the version of the Graph API that your site was written for. A token
    lives for one or two hours; ``LONG_LIVED`` exchanges it for one that lives for about 60 days."""

    documentation = (
        "https://developers.facebook.com/documentation/facebook-login/guides/advanced/manual-flow"
    )
    # https://developers.facebook.com/docs/graph-api/changelog/versions/
    supported_until = {"api_version": "2028-02-18"}
    registration_url = "https://developers.facebook.com/apps/"
    base_url = "https://graph.facebook.com/{api_version}/"
    authorization_url = "https://www.facebook.com/{api_version}/dialog/oauth"
    # PKCE: https://developers.facebook.com/documentation/facebook-login/guides/advanced/oidc-token
    token_url = "https://graph.facebook.com/{api_version}/oauth/access_token"
    client_auth = "post"
    # No refresh tokens
    auto_refresh_url = None
    # https://developers.facebook.com/docs/graph-api/reference/user/permissions/ names only the
    # revocation of one permission.
    revocation_url = "https://graph.facebook.com/{api_version}/me/permissions"
    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = ""
    # https://developers.facebook.com/docs/graph-api/guides/error-handling/: the status is 400
    token_over = {"error.code": ("190",)}
    account_url = "me?fields=id,name"
    account_id = "id"
    account_label = "name"
    unconfirmed = ("revocation_url",)

    #: The version of the Graph API.
    api_version = "v24.0"
    #: Ask again for permissions that the user has declined before.
    rerequest_declined_permissions = False
    #: Exchange the token of the dance for one that lives longer.
    long_lived = False

    # https://developers.facebook.com/documentation/facebook-login/guides/access-tokens/get-long-lived
    exchange_params = {
        "grant_type": "fb_exchange_token",
        "client_id": "{client_id}",
        "client_secret": "{client_secret}",
        "fb_exchange_token": "{access_token}",
    }
    option_facts = {"long_lived": {"exchange_url": "{token_url}"}}
    authorization_url_options = {"rerequest_declined_permissions": {"auth_type": "rerequest"}}
