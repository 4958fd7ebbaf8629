"""Checks of answers: the visible check, what it observes and compares, and a student's own progress."""

from helpers.checks.predictions import predict as predict
from helpers.checks.predictions import reveal as reveal
from helpers.checks.solutions import skip as skip
from helpers.checks.solutions import solution as solution
from helpers.checks.visible_check import check as check
