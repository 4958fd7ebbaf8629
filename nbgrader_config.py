"""The course: solutions/ → labs/, judged autograding. Read by nbgrader and by `distillab grade`."""

from helpers.grader.release import RELEASE_PREPROCESSORS

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "distillab"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "labs"
# The lab's source, its hidden cases, its misconceptions and its rubrics never leave solutions/.
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

# Students can read our solution of an exercise after a pass or three failed checks, and skip an exercise. With False,
# the labs are released without our solutions.
c.Release.show_solutions = True

# These labs come with the package, and so do the values of their visible checks. Without this line, each released
# notebook carries its own.
c.Release.assets = "helpers/assets"

# distillab check-course also asks for what the house style asks for: docs/authoring.md.
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
c.Judge.processes = 256
c.Judge.files_mebibytes = 512
c.Judge.output_mebibytes = 10
c.Judge.notebook_mebibytes = 20

# Marks carry through: what is wrong only because an earlier exercise of the notebook holds a known mistake gets its own
# points, and feedback says which exercise it calls. False charges such a mistake each time.
c.Judge.carry_through = True

# Weights in place of those in cases.py, by "lab/exercise/case"; 0 drops a case for everyone. Grade again after a
# change: nothing is judged anew, and the command says whose marks change.
c.Judge.case_weights = {}
