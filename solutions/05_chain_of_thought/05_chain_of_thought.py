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
# A teacher that solves a problem in five steps can give you two things: the answer, or the steps that lead to it. In
# this lab you train students on one or the other and compare what they can do afterwards. On the way you write the
# pipeline that such data goes through: sample traces from a teacher, read them, discard the bad ones, shorten the rest,
# and turn them into training examples.
#
# **After this lab you can**
#
# - read the answer of a trace, and check whether its steps hold;
# - explain why a right answer is not enough to keep a trace;
# - write a filter, and measure what it gains and what it costs;
# - make training examples that teach a student to write the solution and to stop, but not to write the question;
# - train a student on such examples, in batches of rows that differ in length;
# - compare students fairly: same start, same number of steps, several seeds, confidence intervals.
#
# **Time:** about 130 minutes (65 for reading, figures and questions, 65 for the exercises). Your computer works for
# about 2 of them.
#
# **You need:** next-token training and masked labels (lab 03), and regular expressions in Python.
#
# ![The pipeline: problems with answers go to the teacher, which writes traces. Answer and steps are verified, and bad
# traces dropped. The rest is made compact and turned into examples with the question masked. The student trains on
# them, and is compared with the control on held-out problems.](../../docs/figures/reasoning_pipeline.svg)
#
# Work from top to bottom. Under each exercise there is a check, which you can run as often as you like. The badges
# say how hard and how important an exercise is. In a hurry, skip exercises 4 and 5.
#
# If you are stuck, `solution(compact)` shows how we write that exercise, once you have passed its check or failed it
# three times. `skip(compact)` lets you go on with ours, for no points.

# %% setup=true
import re

import torch
from torch.nn.utils.rnn import pad_sequence

from helpers.labels import next_token_pairs
from helpers.losses import hard_loss

IGNORE = -100  # the label of a token that does not count

# %%
from helpers import plots
from helpers.checks import check, predict, reveal, skip, solution
from helpers.data.word_problems import (
    make_problems,
    problem_tokenizer,
    solved_problems,
)
from helpers.reasoning.fine_tuning import (
    FineTuneConfig,
    load_reasoner,
    scheduled_adamw,
    training_order,
)
from helpers.reasoning.generation import SamplingConfig, write_traces
from helpers.reasoning.scoring import (
    accuracy,
    compare,
    describe_difference,
    judge_answers,
    tokens_written,
)

# %% [markdown]
# ## Problems with several steps
#
# A program generates the problems of this lab, so their answers are known and there are as many as you like. A problem
# has k steps, and each step needs the result of the step before it. Some problems contain a sentence that does not
# matter.

# %%
for made in make_problems(3, seed=4, steps=(1, 3, 5)):
    print(f"k = {made['steps']}: {made['question']}")
    print(f"       answer {made['answer']}\n")

# %% [markdown]
# Solve the last one in your head and watch how you do it: you take one step at a time, and you remember one number in
# between. A language model that must give the answer *at once* cannot do that. It has to do all the work while it reads
# the question, in the few layers that it has. If it may write, it can put each result down and read it again: every
# token that it writes is one more pass through all its layers.
#
# So the steps are more than an explanation for a reader. For a small model they are the space in which it computes.

# %% [markdown]
# ## The form of a trace
#
# What a model writes on its way to an answer is called a *trace*, a *rationale* or a *chain of thought*. The last line
# of our traces has the form used by GSM8K, a well-known set of school problems (Cobbe et al. 2021, arXiv:2110.14168).
# The steps of GSM8K are freer. Ours keep to one form, so that a few lines of code can read them:
#
# - Each **step** is a line of words around one equation `A op B = C`, with one space around each part. A, B and C are
#   integers, each of which may be negative, and `op` is one of `+ - * /`.
# - The **last line** is `#### N`. N is the answer. It may be negative, and it may contain commas, as in `1,250`.
# - A line without an equation is not a step. It does no good and no harm.

# %%
made, solution = solved_problems(1, seed=7, steps=(3,))[0]
print(made["question"], "\n")
print(solution)

# %% [markdown]
# Real traces are untidy. A teacher changes its mind and writes a second answer, or its trace is cut off before the
# answer. The answer is *what follows the last mark* `####`. If no number follows it, there is no answer. A trace
# without an answer is not a trace with the answer 0.

# %% [markdown]
# ## Exercise 1 · Read the answer
#
# ●●○○○ difficulty · ●●●●○ importance · about 8 minutes
#
# Write `extract_answer`. It returns the number after the last `####` as an `int`, or `None`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Split the text at the marks and look at the last piece. If there was no mark, you are done. If there was one, that
# piece may hold a number or nothing at all.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `str.rpartition` splits at the last mark. The middle part of its result is empty if there was none. A regular
# expression for a number needs an optional minus sign, a digit, and then digits or commas. Remove the commas before you
# call `int`.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# The first number of a trace usually comes from the question, and the last number of a trace that was cut off belongs
# to a step. Only the mark tells you which number is the answer. Without a match, a regular expression returns `None`,
# and `None[1]` is an error.
#
# </details>


# %% exercise="extract_answer"
def extract_answer(trace):
    """Return the number after the last `####` of a trace.

    trace: text. The number may be negative and may contain thousands commas.
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
# <details><summary>Help – I'm getting …</summary>
#
# - **`TypeError: 'NoneType' object is not subscriptable`**: the pattern did not match, and you read its group all the
#   same. Test the match first.
# - **`ValueError: invalid literal for int()`**: the text still holds a comma. Remove commas before `int`.
# - **A number where None is due**: the last mark has nothing after it. Look only at what follows the *last* mark.
#
# </details>

# %% [markdown]
# ## Reading the steps
#
# Two things about a step can be checked from the text alone: that it contains an equation, and that the equation holds.
# Checking them takes no knowledge of the problem and no second model. It is a small *verifier*.
#
# There are three traps.
#
# - **Division.** 7 / 2 is not 3, but Python's `//` drops the remainder and says that it is. A trace may also divide by
#   0. Such a step does not hold, and your function must not crash on it.
# - **Empty lists.** `all([])` is `True`. A trace that consists of `#### 12` has no step that fails, because it has no
#   step. It shows no reasoning, so it is not verified.
# - **Signs and digits.** `-5 + 8 = 3` holds, but not if your pattern loses the minus sign. Numbers can have several
#   digits.

# %% [markdown]
# ## Exercise 2 · Check the steps
#
# ●●●○○ difficulty · ●●●●● importance · about 12 minutes
#
# Write `verify_steps`. It returns `True` if the trace has at least one step and every equation in it holds, otherwise
# `False`. It ignores the answer's line.
#
# <details><summary>Hint 1: where to start</summary>
#
# First collect all equations, each as four pieces: A, op, B, C. Then decide whether a single equation holds. Then
# combine the two.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# With four groups in the pattern, `re.findall` returns four texts for each equation. In a character set such as
# `[-+*/]`, put the minus sign first, so that it does not mean a range.
#
# </details>
#
# <details><summary>Hint 3: the division</summary>
#
# A / B = C holds exactly if B is not 0 and A = B · C. Written this way, nothing is divided and nothing is rounded.
#
# </details>


# %% exercise="verify_steps"
def verify_steps(trace):
    """Return whether a trace has a step and every equation in it holds.

    trace: text. A step contains one equation `A op B = C` of integers; op is one of
        + - * /.
    Returns True or False. A division must leave no remainder, and a division by 0 does
    not hold. A trace without a step gives False.
    """
    equations = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    for left, op, right, result in equations:
        a, b, c = int(left), int(right), int(result)
        holds = {
            "+": a + b == c,
            "-": a - b == c,
            "*": a * b == c,
            "/": b != 0 and a == b * c,
        }
        if not holds[op]:
            return False
    return len(equations) > 0


# %% check="verify_steps" points=3
check(verify_steps)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **`ZeroDivisionError`**: a trace divides by 0. Rewrite the test without a division.
# - **True for a trace without steps**: `all([])` is True. Ask whether there is an equation at all.
# - **`re.error: bad character range`**: in `[+-*/]` the minus sign means a range. Put it first.
#
# </details>

# %% [markdown]
# ## A teacher that makes mistakes
#
# The student is a language model with two layers and 121,728 weights. It has been trained on a little of everything:
# stories, and problems of up to five steps with solutions in words, with equations alone, and with the answer alone. It
# has not had enough training to be good at any of them. Asked now, it mostly writes the answer at once.
#
# The teacher is the same model after more lessons: 8,000 worked solutions in words. You *sample* its traces at a
# temperature of 0.7, as is common when you want many different traces from one teacher. Nobody planted mistakes in
# them. All of its mistakes are its own.
#
# Teacher and student have the same number of weights, so **this lab compresses nothing**. What passes from one to the
# other is what the lessons taught. In practice the student is smaller, and how much a smaller model could learn from
# these traces is a question that this lab does not answer.
#
# The next cell sets how much work your computer does. During grading it chooses a small setting, so that a whole class
# can be graded quickly. The figures below then mean nothing, and no points depend on them.

# %%
import os

SEEDS, PROBLEMS, STEPS, HELD_OUT = (0, 1, 2), 1000, 150, 250
if "NBGRADER_EXECUTION" in os.environ:  # set by the grader, not on your machine
    SEEDS, PROBLEMS, STEPS, HELD_OUT = (0,), 100, 10, 25
SAMPLED = 0.7  # the temperature at which the teacher writes
lab_tokenizer, teacher = problem_tokenizer(), load_reasoner("teacher")

# %%
asked, drawn = {}, {}
for seed in SEEDS:
    asked[seed] = make_problems(PROBLEMS, seed=seed)
    settings = SamplingConfig(temperature=SAMPLED, seed=seed)
    drawn[seed] = write_traces(teacher, lab_tokenizer, asked[seed], settings)
    print(f"seed {seed}: {len(drawn[seed])} traces sampled")
print("\nHere is one for a problem of four steps:\n")
print(asked[0][3]["question"], f"(answer {asked[0][3]['answer']})\n")
print(drawn[0][3])

# %% [markdown]
# Look at the names. This teacher often mixes up who has what while it keeps the numbers straight. Most traces with
# right steps and a right answer contain a name that the question does not mention. Your verifier reads equations only,
# so it does not notice, and a student that learns from these traces learns the mixed-up names too.
#
# Sort the traces by two questions: is the answer right, and do the steps hold? That makes four kinds.

# %%
predict(
    "lucky",
    "Which share of the traces has the right answer after a step that does not hold?",
    unit="percent",
)

# %%
kinds = {"both": [], "answer only": [], "steps only": [], "neither": []}


def sort_traces():
    """Put each problem and its trace under the kind it belongs to."""
    for seed in SEEDS:
        for problem, trace in zip(asked[seed], drawn[seed], strict=True):
            right = extract_answer(trace) == problem["answer"]
            if verify_steps(trace):
                kind = "both" if right else "steps only"
            else:
                kind = "answer only" if right else "neither"
            kinds[kind].append((problem, trace))


sort_traces()

# %%
total = len(SEEDS) * PROBLEMS
share = {kind: 100 * len(found) / total for kind, found in kinds.items()}
plots.kinds_of_traces(share)
reveal("lucky", round(share["answer only"], 1))

# %% [markdown]
# <details><summary>What you should see</summary>
#
# In our run, which sampled 6,000 other traces, 68.4 % had the right answer. 3.3 % had the right answer after a wrong
# step, and in 2.7 % every step held but the answer was wrong.
#
# </details>

# %% [markdown]
# ## Right for the wrong reasons
#
# Look at one trace of each kind that is not right. Find the mistake in each.

# %%
for kind in ("answer only", "steps only", "neither"):
    for made, written in kinds[kind][:1]:
        print(f"--- {kind} right ---")
        print(f"{made['question']} (answer {made['answer']})\n\n{written}\n")

# %% [markdown]
# - **Right answer, wrong step.** Two mistakes cancelled out, or the mistake is in a step that nothing depended on. A
#   student that learns from this trace learns the mistake.
# - **Steps hold, wrong answer.** The arithmetic is fine, but it solves a different problem: the trace used a number
#   that does not matter, left a step out, or did one twice.
# - **Circular or far too long.** A trace can go round in circles and still reach the right answer, and a student learns
#   to do the same. You pay for each of these tokens every time the student answers.
#
# So the filter asks four questions. Is the answer right? Do the steps hold? Are there at most 8 steps? Are all
# equations different? What the filter cannot see is whether a step *belongs* there: an equation may hold and have
# nothing to do with the question. That is one of the stretch goals.

# %% [markdown]
# ## Exercise 3 · Keep or discard a trace
#
# ●●○○○ difficulty · ●●●●● importance · about 8 minutes
#
# Write `keep_trace`. It returns `True` if a student should learn from this trace: the answer is right, there is at
# least one step and all steps hold, there are at most 8 steps, and no equation occurs twice.
#
# Two equations are the same if A, op, B and C are the same. The words around them do not matter.
#
# <details><summary>Hint 1: where to start</summary>
#
# Your functions from above answer two of the questions. The other two need the list of equations. Join the four
# conditions with `and`.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# The pattern from exercise 2 gives you the list. A `set` contains nothing twice, so it is shorter than the list if an
# equation occurs twice.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Count steps, not lines or characters: a long sentence is one step, and the answer's line is not a step. Exactly 8
# steps are allowed. Compare the answer as a number, and only with the answer's line.
#
# </details>


# %% exercise="keep_trace"
def keep_trace(problem, trace):
    """Return whether a student should learn from this trace.

    problem: mapping with `question` (text) and `answer` (an int). trace: text.
    Returns True if the answer is right, the steps hold, there are at most 8 steps and
    no equation occurs twice; otherwise False.
    """
    equations = re.findall(r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)", trace)
    in_circles = len(set(equations)) < len(equations)
    if in_circles or len(equations) > 8:
        return False
    return verify_steps(trace) and extract_answer(trace) == problem["answer"]


# %% check="keep_trace" points=4
check(keep_trace)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **False for exactly 8 steps**: you count lines, the answer's line among them, or you test with `<`.
# - **True for a wrong answer**: you look for the number anywhere in the trace. Use `extract_answer`.
# - **False for two steps with the same result**: only the whole equation must not occur twice.
#
# </details>

# %% [markdown]
# ## Exercise 4 · Filter a set of traces
#
# ●●○○○ difficulty · ●●○○○ importance · about 7 minutes
#
# Now apply the filter to a whole set. Write `filter_traces`. `problems` and `traces` are two lists of the same length:
# trace number i belongs to problem number i. If several traces were sampled for a problem, that problem is in the list
# several times. Return the pairs `(problem, trace)` that are kept, as a list, in their original order.
#
# One more rule. A confident teacher writes the same trace again and again. Keep the same trace of the *same question*
# once. Keep two different traces of a question, because they are two ways to solve it. Keep the same trace of two
# different questions for both.
#
# <details><summary>Hint 1: where to start</summary>
#
# Go through both lists at the same time. For each pair ask: is it good, and is it new?
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `zip` goes through two lists together. A problem is a dictionary, and a dictionary cannot be put in a `set`. Its
# question can, and so can a tuple of two texts.
#
# </details>
#
# <details><summary>Hint 3: the plan</summary>
#
# Remember what you have kept in a set, question and trace together. Skip a pair that is already in the set. Otherwise
# add it there, and append problem and trace to the result.
#
# </details>


# %% exercise="filter_traces"
def filter_traces(problems, traces):
    """Return the pairs that a student should learn from.

    problems: list of mappings with `question` and `answer`. traces: list of texts of
        the same length; each belongs to the problem at its position.
    Returns a list of pairs (problem, trace) in their order, with the same trace of the
    same question only once.
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
# <details><summary>Help – I'm getting …</summary>
#
# - **`TypeError: unhashable type: 'dict'`**: a problem cannot go into a set. Its question can.
# - **A pair is missing**: you remember the question alone, or the trace alone. Both together make the pair.
# - **The order is wrong**: a set has no order. Use it to remember, and a list for the result.
#
# </details>

# %% [markdown]
# The teacher makes more mistakes on longer problems.

# %%
predict(
    "kept_at_five",
    "Of the traces for problems of five steps, which share does the filter keep?",
    unit="percent",
)

# %%
kept = {seed: filter_traces(asked[seed], drawn[seed]) for seed in SEEDS}
drawn_steps = [made["steps"] for seed in SEEDS for made in asked[seed]]
kept_steps = [made["steps"] for seed in SEEDS for made, _ in kept[seed]]
counts = range(1, 6)
kept_share = [100 * kept_steps.count(k) / drawn_steps.count(k) for k in counts]

# %%
plots.kept_by_steps(counts, kept_share)
reveal("kept_at_five", round(kept_share[-1]))

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# If the teacher makes more mistakes on longer problems, the filter removes more of them. What is left is *cleaner and
# easier* than what was sampled. Keep that in mind when you compare: from the same problems, the filtered student gets
# fewer traces, and fewer hard ones. You could sample more problems until the number of traces is the same again. You
# will see below what that is worth here.
#
# </details>

# %% [markdown]
# ## Exercise 5 · Compact traces
#
# ●○○○○ difficulty · ●●○○○ importance · about 5 minutes · a warm-up
#
# The student's reasoning does not have to look like the teacher's. For a human reader, the words around an equation
# explain it. If nobody reads the student's traces, those words are only tokens to pay for. Write `compact`. It keeps
# the equations, one per line and exactly as they are in the trace, and then the answer's line. There is no newline at
# the end.
#
# <details><summary>Hint 1: where to start</summary>
#
# Collect the lines of the result in a list, with the answer's line last, and join them at the end.
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
# Do not judge here: an equation that does not hold stays too, in its place. Do not lose the minus sign in front of a
# number. Copy the answer's line, and do not rebuild it: it may contain commas.
#
# </details>


# %% exercise="compact"
def compact(trace):
    """Return the same reasoning without words.

    trace: text whose last line is the answer's line.
    Returns text: the equations in their order, one per line, then the answer's line,
    without a newline at the end.
    """
    equations = re.findall(r"-?\d+ [-+*/] -?\d+ = -?\d+", trace)
    answer_line = trace.splitlines()[-1]
    return "\n".join([*equations, answer_line])


# %% check="compact" points=1
check(compact)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **Tuples in place of text**: the pattern has groups, so `findall` returns them. Leave the parentheses out.
# - **A text that looks right and is called different**: there is a newline at the end, or a comma is missing in the
#   answer's line.
# - **An equation is missing**: you left out one that does not hold, or one that occurs twice. Both stay.
#
# </details>

# %%
full = kept[0][-1][1]
for text in (full, compact(full)):
    print(text, f"\n  → {len(lab_tokenizer(text)['input_ids'])} tokens\n")

# %% [markdown]
# ## What the student is trained on
#
# A training example is the question, a newline, the trace, and the end-of-text token. The student *reads* all of it but
# is *trained* on only a part: the labels of the question and the newline are -100, so they do not count in the loss.
#
# Why not train on the question too? Because users write the questions. In a raw trace's example, about 40 % of the
# tokens belong to the question and its newline, and a student that learns to invent questions spends training on that.
#
# And why the end-of-text token? A student that has never been trained to stop does not stop. It writes an answer, then
# another problem, and you pay for it. The same token often serves as padding. If you mask padding *by token id*, you
# also mask the real end-of-text token.
#
# Each label belongs to the token at its own position, as in lab 03: the training loop shifts, once.

# %% [markdown]
# ## Exercise 6 · Make a training example
#
# ●●○○○ difficulty · ●●●●● importance · about 10 minutes
#
# Write `make_example`. It returns two 1-D tensors of the same length, `input_ids` and `labels`. Tokenise the parts
# separately (question, newline, trace), so that no token crosses the border between what is masked and what is learned:
# some tokenizers join a newline with what follows it.
#
# <details><summary>Hint 1: where to start</summary>
#
# Make two lists of token ids: what is only read, and what is learned. The first tensor is one list followed by the
# other. In the second tensor, -100 replaces every token of the first list.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `tokenizer(text)["input_ids"]` is a list of token ids. Some tokenizers add a special token at the start of each text.
# `add_special_tokens=False` prevents that. `tokenizer.eos_token_id` is the end-of-text token.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Mask positions, not token ids: the number 7 may occur in the question and in the trace, and only the first is masked.
# The end-of-text token is learned. Nothing is shifted, and `input_ids` contains no -100.
#
# </details>


# %% exercise="make_example"
def make_example(problem, trace, tokenizer):
    """Return one training example.

    problem: mapping with `question`. trace: text. tokenizer: a transformers tokenizer.
    Returns `input_ids` and `labels`, two 1-D integer tensors of the same length: the
    tokens of question, newline, trace and end of text, tokenised separately; and the
    same with -100 for question and newline.
    """
    parts = [
        tokenizer(part, add_special_tokens=False)["input_ids"]
        for part in (problem["question"], "\n", trace)
    ]
    prompt, learned = parts[0] + parts[1], [*parts[2], tokenizer.eos_token_id]
    labels = [IGNORE] * len(prompt) + learned
    return torch.tensor(prompt + learned), torch.tensor(labels)


# %% check="make_example" points=4
check(make_example)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **The two tensors differ in length**: the end-of-text token is missing in one of them.
# - **One token fewer than expected, in the last example**: you tokenised question and trace in one go, and the
#   tokenizer joined the newline with what follows.
# - **-100 where a number is due**: you mask by token id. Mask by position.
#
# </details>

# %%
for token_id, target in zip(*make_example(*kept[0][0], lab_tokenizer), strict=True):
    learned = "·" if target == IGNORE else "learned"
    print(repr(lab_tokenizer.decode(token_id)), learned, end="   ")

# %% [markdown]
# ## From examples to a student
#
# Training on such examples is called *supervised fine-tuning*, or SFT. It is lab 03's loop with the hard term alone:
# nobody asks the teacher for logits here, because its text is all there is. Two things are new.
#
# - **Rows differ in length.** To put them in one batch, pad them on the right. Padding is never learned, so pad the
#   *labels* with -100. It does not matter which token pads the input: a causal model does not look to the right.
# - **Arms differ in their number of examples.** A fair comparison takes the same number of *steps* in every arm, with
#   the same number of examples in each. So the loop counts steps, and when it comes to the last example, it goes on
#   with the first.

# %% [markdown]
# ## Exercise 7 · Train one arm
#
# ●●●○○ difficulty · ●●●●● importance · about 15 minutes
#
# Write `train_arm`. Each step takes the next `batch_size` examples, in their order; after the last one comes the first
# again, also in the middle of a batch. It pads them to one batch, computes the mean loss over the labels that count,
# and takes one step of the optimizer. The student may arrive in any mode. Train it in train mode, and leave it in eval
# mode, ready to be examined. Return the loss of every step, as plain numbers. If there are no examples, raise a
# `ValueError`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Write the loop over the steps first. Which examples belong to step 0, which to step 1? Then write what happens to one
# batch.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# The setup cell imports three functions. `pad_sequence` takes a list of 1-D tensors, `batch_first=True` and a
# `padding_value`. `next_token_pairs` shifts, and `hard_loss` is the cross-entropy over the labels that are not -100.
# The remainder of a division, `%`, leads from the last example back to the first.
#
# </details>
#
# <details><summary>Hint 3: in words</summary>
#
# Pad the inputs with any token and the labels with -100. Let the student read the inputs, pair its logits with the
# labels, compute the loss. Clear, backward, step, and append the number.
#
# </details>


# %% exercise="train_arm"
def train_arm(student, examples, optimizer, steps, batch_size=32):
    """Train a student on examples for a number of steps.

    student: in any mode; called with input_ids `(B, S)`, its output has `logits`
    `(B, S, V)`. examples: a list of pairs of 1-D tensors, input_ids and labels, as
    `make_example` returns them. optimizer: holds the student's weights. steps: how many
    to take, each on the next batch_size examples, starting again after the last one.
    Returns a list of floats: the mean loss of each step, over labels that are not -100.
    Raises ValueError if there is no example.
    """
    if len(examples) == 0:
        raise ValueError("examples is empty; an arm needs at least one")
    student.train()
    losses = []
    for step in range(steps):
        places = range(step * batch_size, (step + 1) * batch_size)
        chosen = [examples[place % len(examples)] for place in places]
        input_ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        learned = [labels for _, labels in chosen]
        labels = pad_sequence(learned, batch_first=True, padding_value=IGNORE)
        loss = hard_loss(*next_token_pairs(student(input_ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


# %% check="train_arm" points=5
check(train_arm)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **"stack expects each tensor to be equal size"**: rows differ in length. Pad them first.
# - **`IndexError: Target 100 is out of bounds` or a loss that is too low**: the labels are padded with a token. Pad
#   them with -100.
# - **`RuntimeError: … must match the size of tensor`**: logits and labels are one position apart. Pass both to
#   `next_token_pairs`.
# - **Too few losses**: you stop at the last example. The number of steps is given; go on with the first.
#
# </details>

# %% [markdown]
# ## Four students
#
# All of them start from the same weights, those of the student as it is now. All take the same number of steps with the
# same number of examples per step. Afterwards they answer the same held-out problems, generated from a different seed
# than everything that they or the teacher have read. (Short problems come up again by chance: 7 of the 250 do.) They
# differ in what they read:
#
# | student | reads |
# | --- | --- |
# | answer only | `#### N`, the right answer of every problem |
# | raw traces | one trace for each problem, as the teacher wrote it |
# | filtered | those of these traces that your filter keeps |
# | filtered and compact | the same traces, compact |
#
# The first student is the control. Its data is the *cleanest*, because every one of its answers is right. Each student
# is trained once per seed, because a single run can be lucky.
#
# To see whether training helped at all, we also need the **student before** any of this training.

# %%
held_out = make_problems(HELD_OUT, seed=1_000_000)
outcomes = {}


def examine(model, temperature=0.0):
    """Return what becomes of the held-out problems: steps, right or not, tokens."""
    answers = write_traces(
        model, lab_tokenizer, held_out, SamplingConfig(temperature=temperature)
    )
    return judge_answers(held_out, answers, extract_answer, lab_tokenizer)


def teach(name, pairs_of):
    """Train a student for each seed on its pairs of problem and trace; examine it."""
    runs = []
    for seed in SEEDS:
        student, config = load_reasoner("student"), FineTuneConfig(STEPS, seed=seed)
        examples = [make_example(*pair, lab_tokenizer) for pair in pairs_of[seed]]
        ordered = training_order(examples, config)
        adamw = scheduled_adamw(student, config)
        found = train_arm(student, ordered, adamw, STEPS, config.batch_size)
        runs.append(examine(student))
        right = f"{100 * accuracy(runs[-1:]).value:.0f} % right"
        print(f"{name}, seed {seed}: loss {found[0]:.2f} to {found[-1]:.2f}, {right}")
    outcomes[name] = runs


def solved(name):
    """How many held-out problems a student solves, in percent, over all seeds."""
    return round(100 * accuracy(outcomes[name]).value)


untrained = [examine(load_reasoner("student"))]
print(f"student before: {100 * accuracy(untrained).value:.0f} % right")

# %% [markdown]
# `training_order` shuffles the examples and groups those of about the same length, so that little of a batch is
# padding. `scheduled_adamw` is AdamW with the warm-up and cosine schedule of lab 04. Everything else is your code.
#
# Before training, the student is right on about a third of the problems.

# %%
predict("answers_alone", "How many will “answer only” solve?", unit="percent")
predict("raw_traces", "How many will “raw traces” solve?", unit="percent")
predict("compact_traces", "And “filtered and compact”?", unit="percent")

# %%
answers_alone = {
    seed: [(made, f"#### {made['answer']}") for made in asked[seed]] for seed in SEEDS
}
teach("answer only", answers_alone)
reveal("answers_alone", solved("answer only"))

# %%
raw = {seed: list(zip(asked[seed], drawn[seed], strict=True)) for seed in SEEDS}
teach("raw traces", raw)
reveal("raw_traces", solved("raw traces"))

# %%
teach("filtered", kept)

# %%
short = {seed: [(made, compact(long)) for made, long in kept[seed]] for seed in SEEDS}
teach("filtered and compact", short)
reveal("compact_traces", solved("filtered and compact"))
four = dict(outcomes)

# %% [markdown]
# The losses of the four cannot be compared, because they are means over different texts. That is why you compare
# answers.
#
# ### Accuracy against the number of steps
#
# The teacher gets longer problems wrong more often, and so do its students.

# %%
predict(
    "five_steps",
    "Which of the four students is best on problems of five steps?",
    choices=list(four),
)

# %%
compared = four | {
    "teacher, sampled": [examine(teacher, temperature=SAMPLED)],
    "student before": untrained,
}
by_steps = {
    name: [accuracy(runs, k) for k in counts] for name, runs in compared.items()
}

plots.accuracy_by_steps(counts, by_steps)
reveal("five_steps", max(four, key=lambda name: by_steps[name][-1].value))

# %% [markdown]
# ### Accuracy against tokens
#
# A trace costs tokens each time the student answers. Plot tokens to the right and accuracy upwards.
#
# Which corner of such a plot is the best one, and which student comes nearest to it?

# %%
cost = {name: tokens_written(runs) for name, runs in compared.items()}
overall = {name: accuracy(runs) for name, runs in compared.items()}
plots.accuracy_by_tokens(cost, overall)

# %% [markdown]
# The next cell puts the numbers into words. It compares two models problem by problem. If the interval of the
# difference contains 0, no effect is shown. That is a result too, and the sentence says so. (The intervals cover the
# choice of problems. Three seeds are too few to say much about luck in training.)

# %%
for name, other in (
    ("raw traces", "answer only"),
    ("filtered", "raw traces"),
    ("filtered and compact", "filtered"),
):
    print(describe_difference(name, other, compare(four[name], four[other])))
control = compare(four["answer only"], untrained * len(SEEDS))
print(describe_difference("answer only", "student before", control))
saved = 1 - cost["filtered and compact"].value / cost["filtered"].value
print(f"The compact student writes {100 * saved:.0f} % fewer tokens than “filtered”.")

# %% [markdown]
# <details><summary>What we measured</summary>
#
# Our run had the same sizes as yours: three seeds, 1,000 problems each (other ones than yours), 150 steps, the same 250
# held-out problems.
#
# | model | right (95 % interval) | tokens written |
# | --- | ---: | ---: |
# | student before | 36.8 % (30.8–43.6) | 3.7 |
# | answer only | 35.1 % (30.7–39.9) | 3.0 |
# | raw traces | 62.9 % (58.3–67.2) | 44.9 |
# | filtered | 58.4 % (52.5–63.3) | 43.9 |
# | filtered and compact | 60.9 % (55.9–65.5) | 20.8 |
# | teacher, sampled | 73.2 % (67.6–78.8) | 45.6 |
# | teacher, greedy | 80.4 % (75.6–84.8) | 45.6 |
#
# - **Reasoning.** Raw traces beat answers alone by 27.9 points (21.5 to 33.6).
# - **The control learned nothing that shows.** It ends where the student began, although all of its answers were right.
#   On problems of one step it even fell, from 86.0 % to 70.7 %; on longer ones it moved by less than 5 points.
#   It is a control for what training on answers alone does in 150 steps, and not evidence that answers alone can never
#   teach. Nor does the gain of the others have to be new arithmetic: the student had read some solutions in words
#   before, but answered at once, and the traces also teach it to write the steps out.
# - **Nobody reaches the teacher.** Of the raw traces, 68.4 % have the right answer. The student that read them is right
#   on 62.9 % of the held-out problems, although it answers greedily.
# - **Compact form.** It takes 53 % fewer tokens. In accuracy no effect is shown: the difference is 2.5 points (−1.5 to
#   6.4).
#
# </details>

# %% [markdown]
# ## What filtering buys
#
# The filtered student had **fewer traces** than the raw one, since both began with the same problems. If they differ,
# is it because of what was removed, or because of how much was left? Two comparisons separate these:
#
# - **Equal number of problems**: raw traces against what the filter leaves of them. This is the question to ask if
#   problems with known answers are scarce.
# - **Equal number of traces**: raw traces against as many filtered ones, taken from more problems. This is the question
#   to ask if training is your main cost.

# %%
predict(
    "filter_helps",
    "In which comparison is the filtered student better than the raw one?",
    choices=["in both", "at equal problems", "at equal traces", "in neither"],
)

# %%
filled_up = {}
for seed in SEEDS:
    more = make_problems(PROBLEMS, seed=100 + seed)
    settings = SamplingConfig(temperature=SAMPLED, seed=100 + seed)
    more_drawn = write_traces(teacher, lab_tokenizer, more, settings)
    filled_up[seed] = (kept[seed] + filter_traces(more, more_drawn))[:PROBLEMS]
    print(f"seed {seed}: {len(more_drawn)} more traces sampled")
teach("filtered, as many traces", filled_up)

# %%
helped = []
for name, read in (("filtered", kept), ("filtered, as many traces", filled_up)):
    mean_read = sum(len(read[seed]) for seed in SEEDS) // len(SEEDS)
    print(f"{mean_read} traces against {PROBLEMS} raw ones.")
    difference = compare(outcomes[name], outcomes["raw traces"])
    print(describe_difference(name, "raw traces", difference), "\n")
    helped.append(difference.low > 0)
verdicts = {(True, True): "in both", (True, False): "at equal problems"}
verdicts |= {(False, True): "at equal traces", (False, False): "in neither"}
reveal("filter_helps", verdicts[tuple(helped)])

# %% [markdown]
# <details><summary>How to read this</summary>
#
# In our run, filtering **cost** accuracy at equal problems: −4.5 points (−8.5 to −0.8). At equal traces no effect was
# shown: −2.7 points (−6.1 to 0.9). In neither comparison did the filter help.
#
# Where was it lost? With five steps, the raw student was right on 28.0 % of the problems, the filtered one on 11.3 %,
# and the one with as many filtered traces on 10.0 %. With one to three steps, the three are within 8 points of each
# other. This fits the plot further up: the filter removes the traces of hard problems most often, and filling up with
# other problems does not bring them back in the same proportion. A long trace with one wrong step can still show
# several right ones. But the run does not prove that this is the cause. To test it, you would have to fill up each k
# separately.
#
# So there is no law that filtering pays. It depends on the teacher's mistakes, on how many problems you have, and on
# how the student is used. What you can do is what you have just done: measure it, with a control and with intervals.
#
# </details>

# %% [markdown]
# ## The same with a real model
#
# The models so far were tiny, and their problems were made for measuring. On the laptop tier a real language model,
# SmolLM2-135M-Instruct, **teaches itself**: it is teacher and student at once, so again nothing is compressed. Shown
# two worked examples, it writes four traces for each of 100 problems of one and two steps. **Your filter** selects. The
# model is then trained on what is left, *without* the examples in its prompt. It solves 100 new problems three times:
# before training, before training with the two examples, and after training.
#
# The tiny tier has no such model. There the next cell tells you what to do, and the one after it does nothing. On the
# gpu tier the model is Qwen2.5-1.5B-Instruct, and you have to bring the problems: set `DISTILLAB_GSM8K` to the path of
# a file in GSM8K's format, or the cell stops with a `ValueError`. We have not measured that tier yet.
#
# Most of the model's traces end in a wrong answer.

# %%
predict(
    "kept_of_400", "How many of the 400 traces will your filter keep?", unit="traces"
)

# %%
from helpers.bootstrap import Estimate
from helpers.reasoning.self_distillation import distil_real_model

real = distil_real_model(keep=filter_traces)


# %%
def report_real_model():
    """Print and plot what the real model learned from its own traces."""
    print(f"{real['traces']} traces, {real['kept_traces']} kept,", end=" ")
    print(f"from {real['problems_with_a_kept_trace']} problems.")
    for name, found in real.items():
        if name.startswith("after against"):
            other = name.removeprefix("after against ")
            print(describe_difference("after", other, Estimate(**found)))
    plots.real_model(real["model"], real["arms"])


if real is not None:
    report_real_model()

# %% fold=true
# without a real model, what our run kept
reveal("kept_of_400", 22 if real is None else real["kept_traces"])

# %% [markdown]
# <details><summary>How to read this</summary>
#
# In our run (one seed), 13 % of the 400 traces had the right answer and 22 were kept. The model was right on 11 % of
# the held-out problems before training, on 18 % when shown two examples, and on 26 % after training. Compared with the
# model before, that is a gain of 15 points (6 to 24). Compared with the model shown two examples, the difference is 8
# points (−2 to 16), and no effect is shown.
#
# The traces that are kept are the model's own, so they can hardly teach it arithmetic that it did not have. What it can
# learn is to do *always* what it did now and then: write one equation per step, and stop after the answer. The examples
# in the prompt teach that form as well, at the price of a longer prompt each time. Much of the gain may therefore be
# format rather than arithmetic. Look at the tokens written, too: `real["arms"]`.
#
# </details>

# %% [markdown]
# ## What others found
#
# Three projects come up often in discussions of distilled reasoning. Here is what they did, in short and with dates:
# the field moves quickly, and these are not the last word.
#
# **Orca** (Microsoft, June 2023; Mukherjee et al., "Orca: Progressive Learning from Complex Explanation Traces of
# GPT-4", arXiv:2306.02707). Earlier students had copied a large model's *style* from short answers. Orca's teachers
# were asked, by system messages, to explain themselves. A student with 13 billion weights was then trained on millions
# of explanations, first from ChatGPT and then from GPT-4. It came close to ChatGPT on a set of hard reasoning tasks and
# stayed behind GPT-4. This shows that *what* you ask the teacher for matters. It does not show that every step of the
# explanations was right: nobody checked them one by one.
#
# **Phi** (Microsoft, from June 2023; Gunasekar et al., "Textbooks Are All You Need", arXiv:2306.11644). Phi-1 has 1.3
# billion weights and was trained on about 7 billion tokens: code from the web that a classifier had selected for its
# educational value, and synthetic textbooks and exercises written by GPT-3.5. For its size it wrote surprisingly good
# Python. The claim is about the *quality and kind* of data. Later versions (phi-1.5, arXiv:2309.05463; phi-3,
# arXiv:2404.14219) use far more data, so there quality has not replaced quantity.
#
# **DeepSeek-R1** (January 2025; "DeepSeek-R1: Incentivizing Reasoning Capability in LLMs via Reinforcement Learning",
# arXiv:2501.12948). A large model learned long reasoning from rewards for right answers. Then about 800,000 of its
# samples were used to fine-tune six open models of 1.5 to 70 billion weights, with supervised learning alone. Some
# 600,000 of these were reasoning traces kept by rejection sampling (your `filter_traces`, with a stronger judge); the
# rest were other tasks. The six became much better at mathematics and code. The report also says that for a smaller
# model this worked better than reinforcement learning on the small model itself.
#
# The idea of training on the traces whose answer is right is older: **STaR** (Zelikman et al. 2022, arXiv:2203.14465)
# did it with a model that was its own teacher. One warning applies to all of them: a trace that reads well need not be
# how the model arrived at its answer (Turpin et al. 2023, "Language Models Don't Always Say What They Think",
# arXiv:2305.04388).

# %% [markdown]
# ## Quiz 1 · What Orca showed
#
# Which of these does Orca's result support?
#
# - **A** Explanations from the teacher taught a student more than short answers did.
# - **B** Every step of the teacher's explanations was right.
# - **C** A student with 13 billion weights reached GPT-4.

# %% quiz="orca" points=1
orca = "A"

# %% [markdown]
# ## Small models, and where they come from
#
# Not every good small model is a distilled one. This is what the makers report; the dates say how old that is.
#
# | model | sizes (billions) | how it became good | source |
# | --- | --- | --- | --- |
# | Phi-3 | 3.8 to 14 | filtered web pages and synthetic text | arXiv:2404.14219, April 2024 |
# | Gemma 2 | 2, 9 | trained on a larger model's probabilities | arXiv:2408.00118, July 2024 |
# | Llama 3.2 | 1, 3 | pruned from Llama 3.1 8B, then its logits | Meta's announcement, September 2024 |
# | DeepSeek-R1-Distill | 1.5 to 70 | fine-tuned on a larger model's traces | arXiv:2501.12948, January 2025 |
# | SmolLM2 | 0.1 to 1.7 | much selected data, no teacher's logits | arXiv:2502.02737, February 2025 |

# %% [markdown]
# ## Quiz 2 · Who learned from logits?
#
# Which two of them learned from a teacher's logits, and not only from its text?
#
# - **A** Phi-3 and SmolLM2.
# - **B** Gemma 2 and Llama 3.2.
# - **C** DeepSeek-R1-Distill and Phi-3.

# %% quiz="from_logits" points=1
from_logits = "B"

# %% [markdown]
# ## License and terms of use
#
# Whether you may train on a teacher's text is a question of its license or its terms of use, and the answers differ.
# Three examples, each with the date of the text:
#
# - **OpenAI's terms of use** (January 2024) forbid using output to develop models that compete with OpenAI.
# - **The Llama 3.1 license** (July 2024) allows using output to improve other models. If you distribute such a model,
#   its name has to begin with "Llama". Companies with more than 700 million monthly users need a license of their own.
# - **DeepSeek-R1** (January 2025) is under the MIT license, and its authors state that distillation is allowed.
#
# Terms change, and these may have changed since. Read the current ones before you sample the first trace, keep a copy
# with its date, and ask a lawyer if money depends on it. This section is no legal advice.

# %% [markdown]
# ## Quiz 3 · License first
#
# You want to sell a model that was trained on traces from a commercial service. What comes first?
#
# - **A** Remove the service's name from the traces.
# - **B** Read the current terms of the service: they may forbid it, whatever you do to the traces.
# - **C** Nothing. Text that a model writes belongs to whoever asked for it.

# %% quiz="license_first" points=1
license_first = "B"

# %% [markdown]
# ## Quiz 4 · Whose text?
#
# All of your students learned from text that the *teacher* wrote. This is *off-policy* distillation. *On-policy*, the
# student writes, and the teacher scores what the student wrote, token by token. Which problem does that address?
#
# - **A** A student that learns only from the teacher's text never has to go on from its own mistakes, but when it
#   answers, it must (*exposure bias*).
# - **B** The teacher's text costs tokens, and on-policy training needs no teacher.
# - **C** The teacher's tokenizer differs from the student's.

# %% quiz="whose_text" points=1
whose_text = "A"

# %% [markdown]
# ## Self-check
#
# **Right for the wrong reasons.** A colleague filters by the answer only: "The answer is what we are paid for, and
# almost all traces with a right answer are right." Name two kinds of traces that pass this filter and should not. What
# does each of them do to the student? And when would you agree with your colleague after all?
#
# *Four to six sentences, about 5 minutes.*

# %% [markdown] answer="right_for_wrong_reasons" points=2
# Traces with a wrong step and a right answer pass: mistakes cancel out, or the answer was guessed. The student learns
# the wrong step, and the next time nothing cancels. Traces that go round in circles or are far too long pass as well:
# the student learns to do the same, and every answer costs more tokens. An answer without any step passes too, and
# teaches the student to guess.
#
# I would agree if such traces are rare (3.3 % and 0.9 % of all traces in the lab's own run), if steps cannot be
# verified in the domain, or if the verifier itself is wrong now and then: the simple filter then loses fewer good
# traces. And in the lab's run even the full filter did not improve the student, so its effect has to be measured in
# either case.

# %% [markdown]
# **Equal steps.** The four students took the same number of steps with the same number of examples in each. In which
# respects were they *not* treated equally? Name two, and for one of them say which student it favours.
#
# *Three or four sentences, about 5 minutes.*

# %% [markdown] answer="equal_steps" points=2
# They did not train on the same number of tokens: a verbose trace has about twice as many learned tokens as a compact
# one, and many times as many as an answer alone, so the verbose students got more signal and more compute per step.
# They did not see the same number of different examples either: the filtered students saw each of their fewer traces
# more often. And the mixture differs: the filter removes more hard problems than easy ones, which favours the raw
# student on problems with many steps.

# %% [markdown]
# ## What to take away
#
# - Problems that take several steps need room. After the same number of training steps, the students that could write
#   were right much more often than the one that had to answer at once. Writing is no guarantee: with five steps, no
#   student was good.
# - Always measure the student before training, too. Without it, a control that learned nothing looks like a student.
# - A right answer does not make a right trace. Read the steps as well: a few lines of code do it here.
# - A filter removes hard problems too, and here it did not help. Compare at equal problems *and* at equal traces, or
#   you measure the wrong thing. Be ready to find no effect, or harm.
# - You choose the form of the student's traces. Compact ones took about half of the tokens here.
# - Mask the prompt, pad the labels with -100, train the end-of-text token, shift once.
# - Before you train on a teacher's text, read its license.

# %% [markdown]
# ## Reading list
#
# **Required**
#
# - Hsieh et al. 2023, [Distilling Step-by-Step](https://arxiv.org/abs/2305.02301): rationales as a second task for a
#   small model.
# - Zelikman et al. 2022, [STaR](https://arxiv.org/abs/2203.14465): training on traces whose answer is right.
#
# **Optional**
#
# - Kim and Rush 2016, [Sequence-Level Knowledge Distillation](https://arxiv.org/abs/1606.07947): training on a
#   teacher's text, in its original form.
# - Agarwal et al. 2023, [On-Policy Distillation of Language Models](https://arxiv.org/abs/2306.13649) (GKD), and Gu et
#   al. 2023, [MiniLLM](https://arxiv.org/abs/2306.08543): the student learns from text that it wrote itself.
# - Magister et al. 2023, [Teaching Small Language Models to Reason](https://arxiv.org/abs/2212.08410).
# - DeepSeek-AI 2025, [DeepSeek-R1](https://arxiv.org/abs/2501.12948), section 2.4: distillation into small models.
# - Turpin et al. 2023, [Language Models Don't Always Say What They Think](https://arxiv.org/abs/2305.04388).
#
# **Reference**
#
# - Cobbe et al. 2021, [Training Verifiers to Solve Math Word Problems](https://arxiv.org/abs/2110.14168) (GSM8K).
# - Python, [Regular Expression HOWTO](https://docs.python.org/3/howto/regex.html).

# %% [markdown]
# ## Stretch goals
#
# - **Fill up by k.** Sample more problems until the filtered student has as many traces as the raw one *of each k*.
#   Does that remove the loss on long problems?
# - **Names.** Write `names_fit(problem, trace)`: every name in the trace occurs in the question. How many of the traces
#   that your filter keeps fail it? What is left to train on if you add it to the filter?
# - **Groundedness.** An equation can hold and have nothing to do with the question. Write `grounded(problem, trace)`:
#   every number that a step computes with occurs in the question or is the result of an earlier step. How many of the
#   traces that your filter keeps fail it?
# - **Quality against quantity.** It is often said that ten thousand verified traces do more than a hundred thousand raw
#   ones. Test it at this scale: train a student on a tenth of your kept traces, and compare it with the one that had
#   all the raw ones. Then halve the raw ones, again and again, until the two are level.
# - **Slips.** Let the students *sample* their answers at a temperature of 0.7 instead of answering greedily. Does the
#   filter help then?
# - **Sample again.** Sample four more traces for each problem that the filter left without one. How many problems do
#   you win back at each k, and does the student gain from it?
# - **Vote.** Sample five traces of a problem from a student and take the most common answer (Wang et al. 2022,
#   "Self-Consistency Improves Chain of Thought Reasoning", arXiv:2203.11171). What does it gain, and what does it cost
#   in tokens?
