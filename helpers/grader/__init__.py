"""The lab grader: releases labs, judges submissions, writes marks and feedback. Needs the extra `grader`."""
