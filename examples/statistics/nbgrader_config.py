"""The course: solutions/ → labs/, judged autograding. Read by nbgrader and by distillab."""

from helpers.grader.release import RELEASE_PREPROCESSORS

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "statistics"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "labs"
# A lab's source, its hidden cases, its misconceptions and its rubrics never leave solutions/.
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints",
    "*.pyc",
    "__pycache__",
    "feedback",
    "[0-9][0-9]_*.py",
    "cases.py",
    "misconceptions.py",
    "rubrics.toml",
]
c.GenerateAssignment.preprocessors = RELEASE_PREPROCESSORS

# With True, students can read your solution of an exercise after a pass or three failed checks. The solutions then
# travel in the notebook.
c.Release.show_solutions = False

# With True, distillab check-course also asks for three hints before each exercise, a line on the time, a prediction,
# and sections “What to take away” and “Stretch goals”.
c.CheckCourse.house_style = True

c.Autograde.exporter_class = "helpers.grader.preprocessor.ForgivingExporter"
c.Autograde.sanitize_preprocessors = []
c.Autograde.autograde_preprocessors = [
    "helpers.grader.preprocessor.Judge",
    "nbgrader.preprocessors.AssignLatePenalties",
]

# Limits on what a student's notebook may take; these are the defaults.
c.Judge.cell_seconds = 30
c.Judge.exercise_seconds = 10
c.Judge.notebook_seconds = 300
c.Judge.memory_mebibytes = 4096
