"""The trust's public side, mounted at /trust: terms and agreements, and the audit log with its proofs."""

from policies.http.router import router
from policies.http.service import service

__all__ = ["router", "service"]
