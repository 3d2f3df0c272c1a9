"""Where public keys come from: an Okta org's hook keys, or keys that are known beforehand."""
