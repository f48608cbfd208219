"""JSON-LD at the door: names in, names out, and the contexts they are read by."""
