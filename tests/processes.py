"""What tests start as a process of its own."""

import sys

COMMAND = (sys.executable, "-m", "infusion_gateway")
"""The gateway's program, by this very Python."""
