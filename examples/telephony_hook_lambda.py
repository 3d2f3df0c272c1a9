"""A telephony inline hook in AWS Lambda: it sends one-time codes with your own provider.

Set HOOKKEY_ISSUER, HOOKKEY_AUDIENCE and HOOKKEY_CLIENT_ID in the function's environment, and set
its handler to ``telephony_hook_lambda.handler``. It works behind an API Gateway, a function URL and
a load balancer.

Lambda runs a module once for each instance of the function, with more CPU than later calls get.
Create the key source and the verifier at module level and call ``keys.warm_up()`` there, so that
the first hook waits neither for imports nor for Okta.
"""

from uuid import uuid4

from hookkey_verify import HookVerificationError, HookVerifier, IssuerKeys
from hookkey_verify.aws_lambda import serve
from hookkey_verify.hooks import Hooks, TelephonyHook, TelephonyReply

if __name__ == "__main__":  # Lambda imports this module
    raise SystemExit(__doc__)

keys = IssuerKeys.from_env()
try:
    keys.warm_up()  # during Lambda's initialization, so that the first hook does not wait
except HookVerificationError as error:
    print("keys are not loaded yet:", error)  # the first hook fetches them
hooks = Hooks(HookVerifier.from_env(keys))


def send(number: str, text: str, *, voice: bool) -> str:
    """Send a message and return its id. Replace the body with a call of your provider."""
    return str(uuid4())


@hooks.on(TelephonyHook)
def send_code(hook: TelephonyHook) -> TelephonyReply:
    """Return a reply with the id of the message. If ``send`` raises, Okta sends the message."""
    if not hook.phone_number or not hook.code:
        return TelephonyReply().error("The request has no phone number or no code.")
    text = hook.message_template or f"Your code is {hook.code}."
    message_id = send(hook.phone_number, text, voice=hook.is_voice)
    return TelephonyReply().sent(provider="ACME", transaction_id=message_id)


handler = serve(hooks)
