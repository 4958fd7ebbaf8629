"""Marking written answers by question, on a page of this computer; `distillab mark` opens it."""
