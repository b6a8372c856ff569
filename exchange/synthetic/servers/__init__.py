"""The partners' systems, each speaking its real protocol on loopback."""
