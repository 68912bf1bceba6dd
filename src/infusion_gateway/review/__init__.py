"""Review: what a journal says happened, and what the same readings would have come to under other limits. Pure."""
