"""Clients, credentials and HTTP for Okta's management API."""
