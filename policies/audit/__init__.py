"""The audit log: one record per request, committed before the first byte of the answer."""

from policies.audit.record import AuditRecord, Form, Prepared, append, prepare

__all__ = ["AuditRecord", "Form", "Prepared", "append", "prepare"]
