"""Checks of answers: the visible check, what it observes and compares, and a student's own progress."""

from helpers.checks.visible_check import check as check
