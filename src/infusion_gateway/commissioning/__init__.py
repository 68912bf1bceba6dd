"""Commissioning, without IO: what is seen of devices while a person tries them, what it shows, and the page to sign."""
