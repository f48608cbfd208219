"""`make demo`: the sample city, seen at work. It drives the running stack from outside, over HTTP, as its users do."""
