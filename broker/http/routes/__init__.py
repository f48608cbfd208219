"""Routes: parse and authorise, call one operation, render."""
