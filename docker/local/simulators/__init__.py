"""Simulated devices that speak the real protocols, so that a demonstration is always live."""
