"""The course: solutions/ → labs/, judged autograding. Read by nbgrader and by `distillab grade`."""

from helpers.grader.build import RELEASE_PREPROCESSORS

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "distillab"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "labs"
# The lab's source, its hidden cases and its misconceptions never leave solutions/.
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints",
    "*.pyc",
    "__pycache__",
    "feedback",
    "[0-9][0-9]_*.py",
    "cases.py",
    "misconceptions.py",
]
c.GenerateAssignment.preprocessors = RELEASE_PREPROCESSORS

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
c.Judge.processes = 256
c.Judge.files_mebibytes = 512
c.Judge.output_mebibytes = 10
c.Judge.notebook_mebibytes = 20
