"""A run of the grader: judge a class here or on a cluster, resume, enter marks, publish what people read."""
