"""The bed's own alarm, a process of its own: hears the gateway over a local socket; sounds and lights, alone too."""
