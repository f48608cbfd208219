"""Hypothesis generators that several packages share."""
