"""One file a device: its wire protocol, sans-IO, written by hand from the public facts."""
