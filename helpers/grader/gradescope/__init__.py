"""Judging inside Gradescope: the autograder archive of a lab, and what runs there."""
