# Two commands matter: `make demo` and `make test`. Both set up the environment first, once. CONTRIBUTING.md says more.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLD := .venv-ipywidgets7

.PHONY: demo test static-checks all-tests test-fast fuzz browser lab lecture lecture-pdf page site site-test package package-test outputs figures release grade bench clean

demo: $(READY)
	$(BIN)/distillab demo

# Style, import contracts and types, then every test on JOBS processes, a file at a time; last the coverage of helpers/.
JOBS ?= 2
PARALLEL := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder
test: $(READY)
	@$(MAKE) --no-print-directory --jobs=2 static-checks all-tests

static-checks:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/mypy

all-tests:
	$(PARALLEL) --cov=helpers --cov-report=
	@echo "Coverage of helpers: $$($(BIN)/coverage report --format=total) %"

# What one runs while working: no kernels, no cluster, no whole labs.
test-fast: $(READY)
	$(PARALLEL) -m "not browser and not cluster and not sandbox and not site and not slow"

# Forty times as many damaged notebooks, archives, replies and frames as `make test` tries.
fuzz: $(READY)
	$(BIN)/python -m pytest tests/attacks/test_fuzz.py tests/attacks/test_wire_fuzz.py --fuzz 20000

# The labs, the lecture and the page in a real Chromium. PICTURES=docs takes the README's pictures anew.
browser: $(READY) $(OLD)/.ready
	DISTILLAB_PICTURES="$(PICTURES)" DISTILLAB_OLD_PYTHON=$(OLD)/bin/python $(BIN)/python -m pytest -m browser tests/browser

# A working copy of the labs, so that labs/ stays as released; a file that is already there is never overwritten.
# JupyterLab opens on start.ipynb: the labs, what each needs, and how far you are.
lab: $(READY)
	$(BIN)/distillab lab

# The lecture, in large type; `?` shows the keys.
lecture: $(READY)
	$(BIN)/voila helpers/widgets/lecture.ipynb

# A still of every scene, as a PDF. NOTES=1 prints the notes too, DARK=1 takes the dark theme.
lecture-pdf: $(READY)
	$(BIN)/python -m scripts.lecture_pdf lecture.pdf $(if $(NOTES),--notes) $(if $(DARK),--dark)

# The explorers in one file that opens from disk, without a network and without Python.
page: $(READY)
	$(BIN)/python -m helpers.widgets.page distillab.html

# The site, into build/site/: labs with their outputs, explorers, guides, reference. npm brings MathJax.
site: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[site]'
	$(BIN)/python -m scripts.site

# Every page of it in Chromium, every link, and that nothing in it gives an answer away.
site-test: site
	$(BIN)/python -m pytest -m site tests/site

# The wheel and the source distribution, into dist/: the same commit gives the same bytes.
package: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[package]'
	$(BIN)/python -m scripts.package
	$(BIN)/python -m twine check --strict dist/*

# The wheel in an environment of its own, outside the repository: labs, checks, explorers, and with extras the grader.
package-test: package
	$(BIN)/python -m scripts.try_package

# Runs the solved labs once and stores what they show, for the site. LAB=02_loss for one lab.
outputs: $(READY)
	$(BIN)/python -m scripts.site.outputs $(LAB)

# The labs' pictures, into docs/figures/, the lecture's, and the README's; a release puts them into the notebooks.
figures: $(READY)
	$(BIN)/python -m scripts.draw_figures
	$(BIN)/python -m scripts.lecture_figures
	$(BIN)/python -m scripts.readme_picture

release: $(READY)
	$(BIN)/distillab release

SUBMISSIONS ?= submitted
OUTPUT ?= graded
grade: $(READY)
	$(BIN)/distillab grade --submissions "$(SUBMISSIONS)" --output "$(OUTPUT)"

# Writes results/*.json and docs/measured.md. TEXT=file.txt trains the benchmark of the trainer on another text.
bench: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m helpers.experiments.tiny
	$(BIN)/python -m helpers.experiments.tiny --sweep
	$(BIN)/python -m helpers.experiments.on_policy
	$(BIN)/python -m helpers.experiments.read_your_curve
	$(BIN)/python -m benchmarks.loss_memory
	$(BIN)/python -m benchmarks.teacher_cache
	$(BIN)/python -m benchmarks.attacks
	$(BIN)/python -m benchmarks.mutants
	$(BIN)/python -m benchmarks.grading
	$(BIN)/python -m benchmarks.grading --scale 50 1000
	$(BIN)/python -m benchmarks.desk
	$(BIN)/python -m benchmarks.widget_frames
	$(BIN)/python -m benchmarks.labs
	$(BIN)/distillab fetch laptop
	$(BIN)/python -m benchmarks.on_policy
	$(BIN)/python -m benchmarks.training $(if $(TEXT),--text "$(TEXT)")
	$(BIN)/python -m benchmarks.summary

clean:
	rm -rf $(VENV) $(OLD) build demo .coverage

# Colab has ipywidgets 7.7.1 and the classic notebook: these two alone, everything else comes from the environment.
$(OLD)/.ready: $(READY)
	$(PYTHON) -m venv $(OLD)
	$(OLD)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  ipywidgets==7.7.1 widgetsnbextension==3.6.10 ipython_genutils==0.2.0 nbclassic==1.3.3
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
	  "$$($(OLD)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/newer.pth"
	@touch $@

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Distillab needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …"; exit 1; }
	@echo "Setting up $(VENV) once: Python packages, among them PyTorch, are installed. This takes one to five minutes …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all]'
	@touch $(READY)
