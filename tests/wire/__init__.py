"""Headers and forms."""
