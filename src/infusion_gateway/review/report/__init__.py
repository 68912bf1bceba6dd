"""The report of a case, like an anaesthesia record, and of a day: from a journal's rows to a page and CSV. Pure."""
