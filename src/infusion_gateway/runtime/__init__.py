"""Hands: the only package, beside station and cli, that awaits."""
