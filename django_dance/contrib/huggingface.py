from ..providers import OIDCProvider


class HuggingFace(OIDCProvider):
    """https://huggingface.co/docs/hub/oauth"""

    documentation = "https://huggingface.co/docs/hub/oauth"
    checked = "2026-11"
    registration_url = "https://huggingface.co/settings/applications/new"
    label = "Hugging Face"
    base_url = "https://huggingface.co/api/"
    # The scope inference-api: https://github.com/huggingface/hub-docs/blob/HEAD/docs/hub/models-inference.md
    api_origins = ("https://router.huggingface.co",)
    authorization_url = "https://huggingface.co/oauth/authorize"
    token_url = "https://huggingface.co/oauth/token"
    device_authorization_url = "https://huggingface.co/oauth/device"
    # The metadata: https://huggingface.co/.well-known/openid-configuration
    jwks_url = "https://huggingface.co/oauth/jwks"
    userinfo_url = "https://huggingface.co/oauth/userinfo"
    issuer = "https://huggingface.co"
    scope = ("openid", "profile")
    # https://github.com/huggingface/huggingface.js/blob/HEAD/packages/hub/src/lib/oauth-handle-redirect.ts
    account_label = "preferred_username"
    unconfirmed = ("refresh_rotates",)
