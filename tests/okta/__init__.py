"""Tests of the client for Okta's management API."""
