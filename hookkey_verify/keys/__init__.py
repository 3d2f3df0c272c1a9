"""Where public keys come from: an Okta org's hook keys, an authorization server, or a file."""
