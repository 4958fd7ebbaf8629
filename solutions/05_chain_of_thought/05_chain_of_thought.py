# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 05: Distil the reasoning
#
# A teacher that solves a problem in five steps can hand you two things: the answer, or the way to it. In this lab you
# train four students, on one or the other, and see what each of them can do afterwards. In between you write the
# pipeline that such data goes through: draw traces from a teacher, read them, throw the bad ones away, shorten the
# rest, and turn them into training examples.
#
# **At the end you can**
#
# - read the answer out of a trace, and say whether its steps hold;
# - explain why a right answer is not enough to keep a trace;
# - write a filter, and measure what it buys and what it does not;
# - make training examples in which the student learns to write the solution and to stop, but not the question;
# - compare students fairly: same start, same number of steps, several seeds, intervals.
#
# **Time:** about 100 minutes, of which your computer works about 5.
#
# **You need:** next-token training and masked labels (lab 03), and regular expressions in Python.
#
# Work from top to bottom. Under each exercise stands a check: run it as often as you like.

# %% setup=true
import re

import torch

IGNORE = -100  # the label of a token that is not counted

# %%
import matplotlib.pyplot as plt

from helpers.checks import check
from helpers.bootstrap import Estimate
from helpers.live_curve import LiveCurve
from helpers.plots import COLORS, LINES, bars, show
from helpers.reasoning.fine_tuning import FineTuneConfig, load_reasoner, train_on_examples
from helpers.reasoning.generation import SamplingConfig, write_traces
from helpers.reasoning.scoring import accuracy, compare, describe_difference, judge_answers, tokens_written
from helpers.data.word_problems import make_problems, problem_tokenizer, solved_problems

# %% [markdown]
# ## Problems with several steps
#
# The problems of this lab are made by a program, so that their answers are known and there are as many as you like. A
# problem has k steps, and each step needs the result of the one before it. Now and then a sentence is in it that does
# not matter.

# %%
for problem in make_problems(3, seed=4, steps=(1, 3, 5)):
    print(f"k = {problem['steps']}: {problem['question']}")
    print(f"       answer {problem['answer']}\n")

# %% [markdown]
# Solve the last one in your head, and watch yourself: you go one step at a time, and you hold on to a number in
# between. A language model that has to give the answer *at once* cannot do that. Everything has to happen while it
# reads, in the few layers that it has. If it may write, it can put each result down and read it again: every token that
# it writes is one more pass through all its layers.
#
# That is why the way to the answer is worth more than an explanation to look at. For a small model it is the room in
# which the work gets done.

# %% [markdown]
# ## The form of a trace
#
# What a model writes on its way to an answer is called a *trace* or a *rationale*. The last line of ours is that of
# GSM8K, a well-known set of school problems (Cobbe et al. 2021, arXiv:2110.14168). Its steps are freer; ours keep to
# one form, so that a few lines of code can read them:
#
# - each **step** is a line of words around one equation `A op B = C`, with one space around each part. A, B and C are
#   integers, each of which may be negative, and `op` is one of `+ - * /`;
# - the **last line** is `#### N`. N is the answer; it may be negative, and it may carry commas, as in `1,250`;
# - a line without an equation is no step. It neither helps nor harms.

# %%
problem, solution = solved_problems(1, seed=7, steps=(3,))[0]
print(problem["question"], "\n")
print(solution)

# %% [markdown]
# Real traces are untidy. A teacher changes its mind and writes a second answer. It is cut off before it gets to one.
# The answer is *what stands after the last mark* `####`, and if no number stands there, there is no answer. A trace
# without an answer is not a trace with the answer 0.

# %% [markdown]
# ## Exercise 1: extract_answer
#
# Return the number after the last `####` as an `int`, or `None`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Cut the text at the marks and look at the last piece. If there was no mark, you are done. If there was one, what
# stands in that piece may be a number or nothing at all.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `str.rpartition` cuts at the last mark; its middle part is empty if there was none. A regular expression for a number
# needs an optional minus sign, a digit, and then digits or commas. Take the commas out before you call `int`.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# The first number of the text belongs to the question, and the last number of a trace that was cut off belongs to a
# step. Only the mark tells you. Without a match, a regular expression gives `None`, and `None[1]` is an error.
#
# </details>


# %% exercise="extract_answer"
def extract_answer(trace):
    """The number after the last `####` of a trace.

    trace: text. The number may be negative and may carry thousands commas.
    Returns an int, or None if there is no mark or no number after the last one.
    """
    _, mark, after = trace.rpartition("####")
    found = re.match(r"\s*(-?\d[\d,]*)", after)
    if not mark or found is None:
        return None
    return int(found[1].replace(",", ""))


# %% check="extract_answer" points=2
check(extract_answer)

# %% [markdown]
# ## Reading the steps
#
# Two things about a step can be read off the page: that there is an equation, and whether it holds. That takes no
# knowledge of the problem, and no second model. It is a small *verifier*.
#
# Three traps are in it.
#
# - **Division.** 7 / 2 is not 3. Python's `//` drops the remainder and would say so. And a trace may divide by 0: then
#   the step does not hold, and your function must not crash.
# - **All of nothing.** `all([])` is `True`. A trace that only says `#### 12` has no step that fails, because it has no
#   step. It shows no reasoning, so it is not verified.
# - **Numbers have several digits and signs.** `-5 + 8 = 3` holds. If your pattern loses the minus, it does not.

# %% [markdown]
# ## Exercise 2: verify_steps
#
# Return `True` if the trace has at least one step and every equation in it holds, else `False`. The answer's line is
# not your concern here.
#
# <details><summary>Hint 1: where to start</summary>
#
# First collect all equations as four pieces each: A, op, B, C. Then decide for one of them whether it holds. Then put
# the two together.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `re.findall` with four groups returns a list of four texts for each equation; with one group too few it returns
# something else. In a set of characters like `[-+*/]`, the minus stands first, so that it does not mean a range.
#
# </details>
#
# <details><summary>Hint 3: the division</summary>
#
# A / B = C holds exactly if B is not 0 and A = B · C. Written that way, nothing is divided and nothing is rounded.
#
# </details>


# %% exercise="verify_steps"
def verify_steps(trace):
    """Is there a step, and does every equation hold?

    trace: text; a step holds one equation `A op B = C` of integers, op one of + - * /.
    Returns True or False. A division must leave no remainder; a division by 0 does not hold. No step: False.
    """
    equations = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    for left, op, right, result in equations:
        a, b, c = int(left), int(right), int(result)
        holds = {"+": a + b == c, "-": a - b == c, "*": a * b == c, "/": b != 0 and a == b * c}
        if not holds[op]:
            return False
    return len(equations) > 0


# %% check="verify_steps" points=3
check(verify_steps)

# %% [markdown]
# ## A teacher that errs
#
# The student is a language model with two layers and about 120,000 weights. It has read a little of everything: stories
# and problems of up to five steps, with solutions in words, without words, and with the answer alone. It has not read
# enough to be good at it.
#
# The teacher is the same model after lessons: several thousand worked solutions in words. It is not perfect. You *draw*
# its traces at a temperature of 0.7, as people do who want many different traces from one teacher. Nobody has put
# mistakes into them: all of its mistakes are its own.
#
# The next cell sets how much work your computer does. When the lab is graded, it takes a small setting, so that a whole
# class can be graded quickly; the numbers further down then mean nothing, and no points hang on them.

# %%
import os

GRADING = "NBGRADER_EXECUTION" in os.environ  # set by the grader, not on your machine
SEEDS, PROBLEMS, STEPS, HELD_OUT = ((0,), 100, 10, 25) if GRADING else ((0, 1, 2), 800, 150, 250)
tokenizer, teacher = problem_tokenizer(), load_reasoner("teacher")

# %%
problems = {seed: make_problems(PROBLEMS, seed=seed) for seed in SEEDS}
traces = {}
for seed in SEEDS:
    traces[seed] = write_traces(teacher, tokenizer, problems[seed], SamplingConfig(temperature=0.7, seed=seed))
print(sum(map(len, traces.values())), "traces drawn. The first:\n")
print(problems[0][3]["question"], "\n")
print(traces[0][3])

# %% [markdown]
# **Predict first.** You sort the traces by two questions: is the answer right, and do the steps hold? That makes four
# kinds. How large is each of them, roughly? In particular: how many traces have the right answer *and* a step that does
# not hold?

# %%
pairs = [(problem, trace) for seed in SEEDS for problem, trace in zip(problems[seed], traces[seed], strict=True)]
kinds = {"both": [], "answer only": [], "steps only": [], "neither": []}
for problem, trace in pairs:
    right, holds = extract_answer(trace) == problem["answer"], verify_steps(trace)
    kind = ("both" if holds else "answer only") if right else ("steps only" if holds else "neither")
    kinds[kind].append((problem, trace))

# %%
share = {kind: 100 * len(found) / len(pairs) for kind, found in kinds.items()}
names = ["both right", "right answer,\nwrong step", "steps hold,\nwrong answer", "neither"]
figure, axes = plt.subplots(figsize=(7, 3))
bars(axes, names, {"traces": list(share.values())})
axes.set(xlabel="kind of trace", ylabel="share of the teacher's traces (%)")
show(
    figure,
    alt="Four bars, the kinds of traces that the teacher wrote. Answer and steps right: "
    f"{share['both']:.0f} %. Right answer after a wrong step: {share['answer only']:.1f} %. Steps that hold, wrong "
    f"answer: {share['steps only']:.1f} %. Neither: {share['neither']:.1f} %.",
)

# %% [markdown]
# ## Right for the wrong reasons
#
# Look at one trace of each kind that is not right. Find the mistake in each of them.

# %%
for kind in ("answer only", "steps only", "neither"):
    for problem, trace in kinds[kind][:1]:
        print(f"--- {kind} right ---\n{problem['question']} (answer {problem['answer']})\n\n{trace}\n")

# %% [markdown]
# - **Right answer, wrong step.** Two mistakes have cancelled out, or a mistake stands in a step that nothing followed
#   from. A student that learns from this trace learns the mistake.
# - **Steps hold, wrong answer.** The arithmetic is fine and the problem is another one: a number that does not matter
#   was used, a step was left out or done twice.
# - **In circles, or far too long.** A trace can come to the right answer after going round, and a student learns to go
#   round as well. You pay for each of its tokens, every time it answers.
#
# So the filter asks four questions. Is the answer right? Do the steps hold? Are there at most 8 steps? Does no equation
# come twice? What it cannot see is whether a step *belongs* there: an equation may hold and have nothing to do with the
# question. That is a stretch goal.

# %% [markdown]
# ## Exercise 3: keep_trace
#
# Return `True` if a student should learn from this trace: the answer is right, the steps hold (at least one, and all of
# them), there are at most 8 steps, and no equation comes twice.
#
# An equation is the same if A, op, B and C are the same; the words around it do not matter.
#
# <details><summary>Hint 1: where to start</summary>
#
# Two of the questions are your own functions from above. The other two need the list of equations. Four conditions,
# joined by `and`.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# The pattern from exercise 2 gives the list. A `set` holds nothing twice, so it is shorter than the list if something
# came twice.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Count steps, not lines and not characters: a long sentence is one step, and the answer's line is none. Exactly 8 steps
# are allowed. Compare the answer as a number, and with the answer's line only.
#
# </details>


# %% exercise="keep_trace"
def keep_trace(problem, trace):
    """Should a student learn from this trace?

    problem: mapping with `question` (text) and `answer` (an int). trace: text.
    Returns True if the answer is right, the steps hold, there are at most 8 steps and no equation comes twice, else
    False.
    """
    equations = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    in_circles = len(set(equations)) < len(equations)
    if in_circles or len(equations) > 8:
        return False
    return verify_steps(trace) and extract_answer(trace) == problem["answer"]


# %% check="keep_trace" points=4
check(keep_trace)

# %% [markdown]
# ## Exercise 4: filter_traces
#
# Now apply it to a whole set. `problems` and `traces` are two lists of one length: the trace at a place belongs to the
# problem at that place. If several traces were drawn for a problem, the problem stands there several times. Return the
# pairs `(problem, trace)` that are kept, as a list, in the order in which they came.
#
# One more rule. A teacher that is sure of itself writes the same trace again and again. The same trace of the *same
# question* is kept once. Two different traces of a question are both kept: there are two ways to solve it. And the same
# trace of two different questions is kept for both.
#
# <details><summary>Hint 1: where to start</summary>
#
# Go through both lists at the same time. For each pair ask: is it good, and is it new?
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `zip` goes through two lists at once. A problem is a dictionary, and a dictionary cannot stand in a `set`. Its
# question can, and so can a tuple of two texts.
#
# </details>
#
# <details><summary>Hint 3: the plan</summary>
#
# Keep a set of what you have taken, as question and trace together. Skip a pair that is in it; otherwise note it there,
# and put problem and trace on the list.
#
# </details>


# %% exercise="filter_traces"
def filter_traces(problems, traces):
    """The pairs that a student should learn from.

    problems: list of mappings with `question` and `answer`. traces: list of texts of the same length; the trace at a
    place belongs to the problem at that place.
    Returns a list of pairs (problem, trace) in their order; the same trace of the same question once.
    """
    kept, taken = [], set()
    for problem, trace in zip(problems, traces, strict=True):
        key = (problem["question"], trace)
        if keep_trace(problem, trace) and key not in taken:
            taken.add(key)
            kept.append((problem, trace))
    return kept


# %% check="filter_traces" points=2
check(filter_traces)

# %% [markdown]
# **Predict first.** Does the filter keep as many traces of the hard problems as of the easy ones? What follows for the
# mixture that the student is trained on?

# %%
kept = {seed: filter_traces(problems[seed], traces[seed]) for seed in SEEDS}
drawn_steps = [problem["steps"] for seed in SEEDS for problem in problems[seed]]
kept_steps = [problem["steps"] for seed in SEEDS for problem, _ in kept[seed]]
kept_share = [100 * kept_steps.count(k) / drawn_steps.count(k) for k in range(1, 6)]

# %%
heights = {"kept": kept_share}
figure, axes = plt.subplots(figsize=(7, 3))
bars(axes, [f"{k}" for k in range(1, 6)], heights)
axes.set(xlabel="steps of the problem, k", ylabel="traces kept (%)", ylim=(0, 105))
show(
    figure,
    alt="Bars: the share of the teacher's traces that the filter keeps, by the number of steps. "
    + ", ".join(f"k = {k}: {share:.0f} %" for k, share in zip(range(1, 6), kept_share, strict=True)),
)

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# If the teacher is wrong more often when there are more steps, the filter takes more away there. What is left is then
# *cleaner and easier* than what was drawn. A fair comparison has to keep that in mind: with the same problems the
# filtered student gets fewer traces, and fewer hard ones. The remedy is to draw again for the problems that are left
# without a trace; you see below what that is worth here.
#
# </details>

# %% [markdown]
# ## Exercise 5: compact
#
# The student's reasoning need not look like the teacher's. For a person, the words around an equation explain it. For a
# student whose trace nobody reads, they are tokens to be paid for. Keep the equations, one a line, as they stand in the
# trace, and then the answer's line. No newline at the end.
#
# <details><summary>Hint 1: where to start</summary>
#
# Collect the lines of the result in a list, the answer's line last, and join them at the end.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `re.findall` returns the whole match if the pattern has no groups. The answer's line is the last line of the trace.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Do not judge here: an equation that does not hold stays too, in its place. And do not lose the minus sign in front of
# a number.
#
# </details>


# %% exercise="compact"
def compact(trace):
    """The same reasoning without words.

    trace: text whose last line is the answer's line.
    Returns text: the equations in their order, one a line, then the answer's line; no newline at the end.
    """
    equations = re.findall(r"-?\d+ [-+*/] -?\d+ = -?\d+", trace)
    answer_line = trace.splitlines()[-1]
    return "\n".join([*equations, answer_line])


# %% check="compact" points=2
check(compact)

# %%
problem, trace = kept[0][-1]
shorter = compact(trace)
for text in (trace, shorter):
    print(text, f"\n  → {len(tokenizer(text)['input_ids'])} tokens\n")

# %% [markdown]
# ## What the student is trained on
#
# A training example is the question, a newline, the trace, and the end-of-text token. The student *reads* all of it. It
# is *trained* on a part of it: the labels of question and newline are -100, so they do not count in the loss.
#
# Why not train on the question too? Whoever asks will write the question. Half of all the tokens stand there, and a
# student that learns to make up questions spends its training on that.
#
# And why the end-of-text token? A student that has never been trained to stop does not stop. It writes an answer, and
# then another problem, and you pay for it. That token often serves as padding as well, and who masks padding *by its
# token* masks the real end too.
#
# Labels stand under their own tokens here, as in lab 03: the training loop shifts, once.

# %% [markdown]
# ## Exercise 6: make_example
#
# Return two 1-D tensors of one length, `input_ids` and `labels`. Tokenise the parts apart (question, newline, trace),
# so that no token reaches over the border between what is masked and what is not: some tokenizers join a newline with
# what follows it.
#
# <details><summary>Hint 1: where to start</summary>
#
# Make two lists of token numbers: what is read only, and what is learned. The first tensor is both of them one after
# the other. In the second one, the first list is replaced by as many times -100.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `tokenizer(text)["input_ids"]` is a list of token numbers. Some tokenizers add a mark of their own at the start of
# each text; `add_special_tokens=False` keeps them from it. `tokenizer.eos_token_id` is the end-of-text token.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Mask places, not tokens: the number 7 stands in the question and in the trace, and only the first one is masked. The
# end of text is learned. Nothing is shifted, and `input_ids` holds no -100.
#
# </details>


# %% exercise="make_example"
def make_example(problem, trace, tokenizer):
    """One training example.

    problem: mapping with `question`. trace: text. tokenizer: a transformers tokenizer.
    Returns `input_ids` and `labels`, two 1-D tensors of integers of one length: the tokens of question, newline,
    trace and end of text, tokenised apart; and the same with -100 over question and newline.
    """
    parts = (problem["question"], "\n", trace)
    question, newline, solution = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in parts)
    prompt, learned = question + newline, [*solution, tokenizer.eos_token_id]
    return torch.tensor(prompt + learned), torch.tensor([IGNORE] * len(prompt) + learned)


# %% check="make_example" points=4
check(make_example)

# %%
input_ids, labels = make_example(*kept[0][0], tokenizer)
for token, label in zip(input_ids.tolist(), labels.tolist(), strict=True):
    print(repr(tokenizer.decode(token)), "·" if label == IGNORE else "learned", end="   ")

# %% [markdown]
# ## Four students
#
# All of them start from the same weights (the student as it is now), take the same number of steps with the same number
# of examples in each, and answer the same problems afterwards, which were made from another seed than all that they or
# the teacher have read. (Short problems come up again by chance: 7 of the 250 do.) They differ in what they read:
#
# | student | reads |
# | --- | --- |
# | answer only | `#### N`, the right answer of every problem |
# | raw traces | one trace for each problem, as the teacher wrote it |
# | filtered | of these, the ones that your filter keeps |
# | filtered and compact | the same ones, compact |
#
# The first one is the control: it gets the *best* data, because every one of its answers is right. Each is trained once
# for each seed, because one run can be lucky.

# %%
held_out = make_problems(HELD_OUT, seed=1_000_000)
outcomes = {}


def teach(name, pairs_of):
    """Train a student for each seed on its pairs of problem and trace; note what becomes of the held-out problems."""
    runs = []
    with LiveCurve(name, steps=STEPS * len(SEEDS)) as live:
        for seed in SEEDS:
            student = load_reasoner("student")
            examples = [make_example(problem, trace, tokenizer) for problem, trace in pairs_of[seed]]
            train_on_examples(student, examples, FineTuneConfig(steps=STEPS, seed=seed), watch=live.add)
            answers = write_traces(student, tokenizer, held_out)
            runs.append(judge_answers(held_out, answers, extract_answer, tokenizer))
    outcomes[name] = runs
    print(f"{name}: {100 * accuracy(runs).value:.0f} % of the held-out problems right")


# %% [markdown]
# **Predict first.** Write down four numbers, the share of the held-out problems that each student will get right. Then
# run the four cells. Each takes less than a minute or so, and you can watch the loss.

# %%
answers = {seed: [(problem, f"#### {problem['answer']}") for problem in problems[seed]] for seed in SEEDS}
teach("answer only", answers)

# %%
raw = {seed: list(zip(problems[seed], traces[seed], strict=True)) for seed in SEEDS}
teach("raw traces", raw)

# %%
teach("filtered", kept)

# %%
compacted = {seed: [(problem, compact(trace)) for problem, trace in kept[seed]] for seed in SEEDS}
teach("filtered and compact", compacted)
students = outcomes

# %% [markdown]
# The losses of the four cannot be compared: they are means over different texts. That is why you compare answers.
#
# ### Accuracy against the number of steps
#
# **Predict first.** Which of the four curves falls fastest with k? And where does the teacher lie, whose traces they
# have read?

# %%
counts = range(1, 6)
by_steps = {name: [accuracy(runs, k) for k in counts] for name, runs in students.items()}
written = write_traces(teacher, tokenizer, held_out, SamplingConfig(temperature=0.7))
drawn = judge_answers(held_out, written, extract_answer, tokenizer)
by_steps["teacher, drawn"] = [accuracy([drawn], k) for k in counts]


# %%
def percent(estimates):
    """Values of estimates in percent, and how far their intervals reach down and up, as errorbar wants it."""
    values = [100 * e.value for e in estimates]
    return values, [[100 * (e.value - e.low) for e in estimates], [100 * (e.high - e.value) for e in estimates]]


# %%
curves = list(by_steps.items())
figure, axes = plt.subplots(figsize=(7, 4))
for place, (name, estimates) in enumerate(curves):
    values, reach = percent(estimates)
    style = {"color": COLORS[place], "marker": "os^Dv"[place], "linestyle": LINES[place], "capsize": 3}
    axes.errorbar([k + 0.06 * (place - 2) for k in counts], values, yerr=reach, label=name, **style)
axes.set(xlabel="steps of the problem, k", ylabel="right answers (%)", xticks=list(counts), ylim=(-3, 103))
axes.grid(alpha=0.3)
axes.legend(fontsize="small")
show(
    figure,
    alt="Share of right answers over the number of steps from 1 to 5, with intervals. "
    + " ".join(f"{name}: " + ", ".join(f"{100 * e.value:.0f}" for e in row) + " %." for name, row in by_steps.items()),
)

# %% [markdown]
# ### Accuracy against tokens
#
# **Predict first.** A trace costs tokens each time the student answers. Place the four students in a plot: tokens to
# the right, accuracy upwards. Which corner is the best one, and who comes nearest to it?

# %%
cost = {name: tokens_written(runs) for name, runs in students.items()}
overall = {name: accuracy(runs) for name, runs in students.items()}

figure, axes = plt.subplots(figsize=(7, 3.6))
for place, (name, tokens) in enumerate(cost.items()):
    values, reach = percent([overall[name]])
    style = {"color": COLORS[place], "marker": "os^D"[place], "linestyle": "none", "capsize": 3}
    across = [[tokens.value - tokens.low], [tokens.high - tokens.value]]
    axes.errorbar(tokens.value, values, xerr=across, yerr=reach, label=name, **style)
axes.set(xlabel="tokens written for a problem (mean)", ylabel="right answers (%)", ylim=(-3, 103), xlim=(0, None))
axes.grid(alpha=0.3)
axes.legend(fontsize="small")
show(
    figure,
    alt="Right answers over tokens written for a problem, a point with intervals for each student. "
    + " ".join(f"{name}: {cost[name].value:.0f} tokens, {100 * overall[name].value:.0f} %." for name in students),
)

# %% [markdown]
# The next cell says in words what the numbers carry. It compares two students problem by problem. If the interval of
# the difference holds 0, no effect is shown: that is a result, and the sentence says so.

# %%
for name, other in (("raw traces", "answer only"), ("filtered", "raw traces"), ("filtered and compact", "filtered")):
    print(describe_difference(name, other, compare(students[name], students[other])))
saved = 1 - cost["filtered and compact"].value / cost["filtered"].value
print(f"The compact student writes {100 * saved:.0f} % fewer tokens than the filtered one.")

# %% [markdown]
# ## What filtering buys
#
# The filtered student had **fewer traces** than the raw one, since both began with the same problems. Is a difference
# between them due to what was taken away, or due to how much was left? Two comparisons tell them apart:
#
# - **equal number of problems**: raw traces against what the filter leaves of them. That is the question if problems
#   with known answers are rare.
# - **equal number of traces**: raw traces against as many filtered ones, drawn from more problems. That is the question
#   if training is what costs you most.
#
# **Predict first.** In which of the two does the filter look better?

# %%
more = {seed: make_problems(PROBLEMS, seed=100 + seed) for seed in SEEDS}
more_traces = {}
for seed in SEEDS:
    more_traces[seed] = write_traces(teacher, tokenizer, more[seed], SamplingConfig(temperature=0.7, seed=100 + seed))
filled_up = {seed: (kept[seed] + filter_traces(more[seed], more_traces[seed]))[:PROBLEMS] for seed in SEEDS}
teach("filtered, as many traces", filled_up)

# %%
for name in ("filtered", "filtered, as many traces"):
    traces_read = sum(len({"filtered": kept}.get(name, filled_up)[seed]) for seed in SEEDS) // len(SEEDS)
    print(f"{traces_read} traces against {PROBLEMS} raw ones.")
    print(describe_difference(name, "raw traces", compare(students[name], students["raw traces"])), "\n")

# %% [markdown]
# <details><summary>How to read this</summary>
#
# A teacher's mistakes are of two kinds. Some are *slips*: it draws an unlikely token now and then, each time another
# one. A student that reads many traces learns the likely token, and as it then always takes the likeliest one (it is
# *greedy*), its answers are better than the traces it has read. Slips hardly harm it, and taking them away hardly
# helps. Others are *habits*: the same mistake on the same kind of problem. They do harm, and a filter takes them away,
# together with the hard problems in which they stand.
#
# So there is no law that filtering pays. It depends on the teacher's mistakes, on how many problems you have, and on
# how the student answers (one that draws its tokens, instead of taking the likeliest, makes slips of its own). What you
# can do is what you have just done: measure it, with a control and with intervals.
#
# </details>

# %% [markdown]
# ## The same with a real model
#
# The models so far were tiny, and their problems were made to measure. On the tier `laptop` a real language model,
# SmolLM2-135M-Instruct, is its own teacher. Shown two worked examples, it writes four traces for each of 100 problems
# of one and two steps. **Your filter** chooses. The model is then trained on what is left, *without* the examples in
# front. It solves 100 problems that it has not seen: before the training, shown the two examples, and after it.
#
# The tiny tier has no such model: there the next cell says what to do, and the one after it does nothing. What we saw
# ourselves stands in `docs/tiers.md`.
#
# **Predict first.** Most of its traces end in a wrong answer. How many of 400 will your filter keep? Can a model learn
# anything from so few, and what would it be: to calculate, or to write in the form that was asked for?

# %%
from helpers.reasoning.self_distillation import distil_real_model

real = distil_real_model(keep=filter_traces)

# %%
if real is not None:
    print(f"{real['traces']} traces, {real['kept_traces']} kept, from {real['problems_with_a_kept_trace']} problems.")
    for name, found in real.items():
        if name.startswith("after against"):
            print(describe_difference("after", name.removeprefix("after against "), Estimate(**found)))
    arms = real["arms"]
    rights = {name: arm["accuracy"] for name, arm in arms.items()}
    figure, axes = plt.subplots(figsize=(7, 3))
    values = [100 * right["value"] for right in rights.values()]
    below = [100 * (right["value"] - right["low"]) for right in rights.values()]
    above = [100 * (right["high"] - right["value"]) for right in rights.values()]
    axes.bar(list(rights), values, yerr=[below, above], capsize=4, color=COLORS[0])
    axes.set(ylabel="right answers (%)", ylim=(0, 100))
    show(
        figure,
        alt=f"Right answers of {real['model']} with intervals. "
        + " ".join(f"{name}: {value:.0f} %." for name, value in zip(rights, values, strict=True)),
    )

# %% [markdown]
# <details><summary>How to read this</summary>
#
# The traces that are kept are the model's own, so it can hardly learn arithmetic from them that it has not got. What it
# can learn is to do *always* what it did now and then: write one equation a step, and stop after the answer. The
# comparison with "shown two examples" tells how much of the gain is that form: the examples teach the form as well,
# at the price of a longer prompt each time. Look at the tokens written, too: `real["arms"]`.
#
# </details>

# %% [markdown]
# ## What others found
#
# Three projects are often named when people speak of distilled reasoning. This is what they did, in short, with the
# dates: the field moves quickly, and these are not the last word.
#
# **Orca** (Microsoft, June 2023; Mukherjee et al., "Orca: Progressive Learning from Complex Explanation Traces of
# GPT-4", arXiv:2306.02707). Earlier students had copied a large model's *style* from short answers. Orca's teachers
# were asked, by system messages, to explain themselves, and a student of 13 billion weights was trained on millions of
# explanations, from ChatGPT first and then from GPT-4. It came near ChatGPT on a set of hard reasoning tasks and
# stayed behind GPT-4. What it shows is that *what* you ask the teacher for matters. It does not show that every step
# of the explanations was right: nobody checked them one by one.
#
# **Phi** (Microsoft, from June 2023; Gunasekar et al., "Textbooks Are All You Need", arXiv:2306.11644). Phi-1 has 1.3
# billion weights and was trained on about 7 billion tokens: code from the web that a classifier had picked for its
# value as teaching, and synthetic textbooks and exercises written by GPT-3.5. For its size it wrote surprisingly good
# Python. The claim is about the *quality and the kind* of data. Later versions (phi-1.5, arXiv:2309.05463; phi-3,
# arXiv:2404.14219) use far more of it, so quality has not replaced quantity there.
#
# **DeepSeek-R1** (January 2025; "DeepSeek-R1: Incentivizing Reasoning Capability in LLMs via Reinforcement Learning",
# arXiv:2501.12948). A large model learned long reasoning with rewards for right answers. Then about 800,000 of its
# samples, some 600,000 of them reasoning kept by rejection sampling (your `filter_traces`, with a stronger judge) and
# the rest other tasks, were used to fine-tune six open models of 1.5 to 70 billion weights, with supervised learning
# alone. They became much better at mathematics and code. The report also says that for a smaller model this worked
# better than doing the reinforcement learning on the small model itself.
#
# The step from "keep the traces whose answer is right" to training is older: **STaR** (Zelikman et al. 2022,
# arXiv:2203.14465) did it with a model that was its own teacher. And a word of warning goes with all of them: a trace
# that reads well need not be how the model came to its answer (Turpin et al. 2023, "Language Models Don't Always Say
# What They Think", arXiv:2305.04388).

# %% [markdown]
# ## Self-check
#
# **1. Right for the wrong reasons.** A colleague filters by the answer only: "The answer is what we are paid for, and
# almost all traces with a right answer are right." Name two kinds of traces that get through this filter and should
# not. What does each of them do to the student? And when would you agree with your colleague all the same?

# %% [markdown] answer="right_for_wrong_reasons" points=2
# Traces with a wrong step and a right answer get through: mistakes cancel, or the answer was guessed. The student
# learns the wrong step, and the next time nothing cancels. Traces that run in circles or are far too long get through
# as well: the student learns to go round, and every answer costs more tokens. An answer without any step gets through
# too, and teaches the student to guess.
#
# If such traces are very rare (as the plot of the four kinds can show), if steps cannot be verified in the domain, or
# if the student's mistakes average out, the simple filter does nearly as well and loses fewer good traces to a
# verifier that is itself wrong now and then.

# %% [markdown]
# **2. Equal steps.** The four students took the same number of steps with the same number of examples in each. In which
# respect were they *not* treated equally? Name two, and say for one of them whom it favours.

# %% [markdown] answer="equal_steps" points=2
# They did not see the same number of tokens: a verbose trace has several times as many learned tokens as a compact one
# or as an answer alone, so the verbose students got more signal and more computing time for each step. They did not see
# the same number of different examples either: the filtered students saw each of their fewer traces more often. And the
# mixture differs: the filter takes away more hard problems than easy ones, which favours the raw student on problems
# with many steps.

# %% [markdown]
# ## What to take away
#
# - Work that goes step by step needs room. A small student that must answer at once is right much less often than one
#   that may write, after the same number of steps of training. Writing is no guarantee: with five steps neither is
#   good.
# - A right answer is not a right trace. Read the steps as well: a few lines of code do it here.
# - A filter takes away hard problems too. Compare at equal problems *and* at equal traces, or you measure the wrong
#   thing; and be ready to find no effect.
# - The student's form is yours to choose. Compact traces cost a fraction of the tokens.
# - Mask the prompt, train the end of text, shift once.

# %% [markdown]
# ## Stretch goals
#
# - **Groundedness.** An equation can hold and have nothing to do with the question. Write `grounded(problem, trace)`:
#   every number that a step computes with stands in the question or is the result of an earlier step. How many of the
#   traces that your filter keeps fail it? Look at some of them: what did the teacher do?
# - **Quality against quantity.** It is often said that ten thousand verified traces do more than a hundred thousand
#   raw ones. Test it at this scale: train a student on a tenth of your kept traces, and compare it with the one that
#   had all the raw ones. Then halve the raw ones, again and again, until the two are level.
# - **Slips.** Let the students *draw* their answers at a temperature of 0.7 instead of taking the likeliest token. Does
#   the filter buy more now?
# - **Draw again.** Draw four more traces for each problem that the filter has left without one. How many problems do
#   you win back at each k, and does the student gain from it?
# - **Vote.** Draw five traces of a problem from a student and take the answer that comes most often (Wang et al. 2022,
#   "Self-Consistency Improves Chain of Thought Reasoning", arXiv:2203.11171). What does it gain, and what does it cost
#   in tokens?
