"""Pages in the words of the real servers; nothing here decides what happened, it only says so."""
