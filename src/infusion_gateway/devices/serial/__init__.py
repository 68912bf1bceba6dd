"""One file a serial device; the file name is its registration."""
