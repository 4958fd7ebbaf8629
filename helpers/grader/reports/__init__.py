"""What people read after a run: marks, feedback, the class report, files for the LMS, and how late a hand-in was."""
