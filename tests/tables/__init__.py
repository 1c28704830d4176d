"""Two user models unlike Django's: one in several tables, with a manager of its own; one with next to nothing."""
