"""Checksums of serial protocols. Only those that a driver here uses."""

from binascii import crc_hqx


def crc16_xmodem(data: bytes) -> int:
    """Give the CRC-16/XMODEM (polynomial 0x1021, initial value 0): NE-1000 safe mode, manual #1200-01 p. 34."""
    return crc_hqx(data, 0)


def sum8(data: bytes) -> int:
    """Give the low eight bits of the sum of the bytes: Nonin serial data formats 2 and 7."""
    return sum(data) & 0xFF
