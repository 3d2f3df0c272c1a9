"""The client of Okta's management API."""
