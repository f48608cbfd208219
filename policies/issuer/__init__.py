"""The development issuer: a small OIDC provider for the sample city, on the loopback only. Never for production."""
