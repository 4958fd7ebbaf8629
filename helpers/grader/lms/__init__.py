"""The way back: marks and feedback into Canvas and Moodle."""
