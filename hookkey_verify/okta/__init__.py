"""Everything that speaks to Okta's management API."""
