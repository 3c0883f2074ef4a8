"""Clinical documents: their formats, their plain text, and text copied from one to the next."""
