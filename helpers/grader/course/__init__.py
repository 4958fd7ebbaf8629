"""What a course is made of: labs and their sources, hidden cases, known mistakes, what a student may not import."""
