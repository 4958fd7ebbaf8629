"""What the labs import: losses, models, data, training, evaluation, checks and plots for knowledge distillation.

Each module is short enough to read in one sitting. Nothing here imports `helpers.grader`, nbgrader or jupyterlab.
"""
