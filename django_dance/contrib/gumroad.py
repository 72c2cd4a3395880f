from ..providers import OAuth2Provider


class Gumroad(OAuth2Provider):
    """https://gumroad.com/help/article/280-create-application-api — its tokens do not expire. Keep
    ``view_profile`` in ``SCOPE``, so that the account has a name."""

    documentation = "https://gumroad.com/help/article/280-create-application-api"
    checked = "2026-11"
    registration_url = "https://gumroad.com/settings/advanced#application-form"
    base_url = "https://api.gumroad.com/v2/"
    authorization_url = "https://gumroad.com/oauth/authorize"
    token_url = "https://api.gumroad.com/oauth/token"
    # Gumroad runs Doorkeeper: https://github.com/antiwork/gumroad/blob/HEAD/config/routes.rb
    revocation_url = "https://api.gumroad.com/oauth/revoke"
    client_auth = "post"
    # PKCE: https://github.com/antiwork/gumroad/blob/HEAD/app/controllers/oauth/tokens_controller.rb
    # https://github.com/antiwork/gumroad/blob/HEAD/config/initializers/doorkeeper.rb
    scope = "view_profile"
    # https://github.com/antiwork/gumroad/blob/HEAD/app/models/concerns/user/as_json.rb
    account_url = "user"
    account_id = "user.user_id"
    account_label = "user.name"
    unconfirmed = ("refresh_rotates",)
