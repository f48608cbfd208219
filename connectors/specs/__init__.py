"""What a feed's YAML may say, in parts: sources, decoders of protocols. `connectors.feed` puts them together."""
