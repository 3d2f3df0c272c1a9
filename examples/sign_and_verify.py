"""Sign a client assertion as Okta would and verify it, without network access.

python examples/sign_and_verify.py
"""

from hookkey_verify import HookSigner, HookVerificationError, HookVerifier, StaticKeys

CLIENT_ID = "0oa1hookclient4x7"
TOKEN_URL = "https://hooks.acme.com/oauth2/token"

okta = HookSigner.generate()  # stands in for Okta, which holds the private half of a hook key
verifier = HookVerifier.for_client_assertion(
    StaticKeys.from_jwk(okta.public_jwk()), client_id=CLIENT_ID, token_url=TOKEN_URL
)

hook = verifier.verify(okta.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL))
print(f"accepted: client {hook.subject}, key {hook.kid}")

for what, assertion in {
    "meant for another token URL": okta.client_assertion(
        client_id=CLIENT_ID, token_url="https://other.example/token"
    ),
    "signed with another key": HookSigner.generate(okta.kid).client_assertion(
        client_id=CLIENT_ID, token_url=TOKEN_URL
    ),
}.items():
    try:
        verifier.verify(assertion)
    except HookVerificationError as error:
        print(f"refused:  {what}: {error.reason} (HTTP {error.status_code})")
