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
# # Lab 03: Training the student
#
# You have a loss. In this lab you write the training loop around it: a frozen teacher, a student that learns, one
# function that aligns each prediction with the token it predicts, one that takes a step, and one that repeats it. Then
# you run the loop, watch it, interrupt it and resume it.
#
# **After this lab you can**
#
# - freeze a teacher, and explain why that takes two switches;
# - turn a padded batch into labels without losing a real end-of-text token;
# - shift logits and labels by one token, once and in one place;
# - write a training step and the loop around it, and test both before you spend an hour of computing on them;
# - read a loss curve: say what it shows, which mistake is behind it, and what it cannot show.
#
# **Time:** about 100 minutes (50 for reading, figures and questions, 50 for the exercises).
#
# **You need:** the distillation loss (lab 02), and how an optimizer takes a step in PyTorch.
#
# Work from top to bottom. Under each exercise there is a check, which you can run as often as you like. The badges
# say how hard and how important an exercise is. In a hurry, skip exercises 1 and 2.
#
# If you are stuck, `solution(freeze)` shows how we write that exercise, once you have passed its check or failed it
# three times. `skip(freeze)` lets you go on with ours, for no points.

# %% setup=true
import torch

from helpers.losses import distillation_loss

IGNORE = -100  # the label of a token that does not count

# %%
import os
from pathlib import Path

import torch.nn.functional as F

from helpers import plots
from helpers.checks import check, predict, reveal, skip, solution
from helpers.data.batches import encode_rows
from helpers.data.known_language import KnownLanguage
from helpers.engine.checkpoint import interrupt_waits, load_checkpoint, save_checkpoint
from helpers.interrupt import RunStopped
from helpers.live_curve import LiveCurve
from helpers.models import load_student, load_teacher, load_tokenizer
from helpers.setup.preflight import preflight
from helpers.tiers import load_batches, tier_of

# %% [markdown]
# ## Before it starts
#
# The same code runs in three sizes, called *tiers*. `tiny` needs nothing but this project, `laptop` uses a small
# language model trained on real text, and `gpu` needs a GPU. The environment variable `DISTILLAB_TIER` selects one.
# Without it you are in `tiny`, which is enough for this lab. Before a run, a *preflight* says what will be downloaded,
# how much memory it needs and how long it takes.

# %%
settings = tier_of()
preflight()

# %%
device = "cuda" if torch.cuda.is_available() and settings.name != "tiny" else "cpu"
tokenizer = load_tokenizer()
teacher, student = load_teacher().to(device), load_student().to(device)
print(type(teacher).__name__, "teaches", type(student).__name__)

# %% [markdown]
# ## A frozen teacher
#
# The teacher is a fixed reference. It must give the same answer to the same input at every step, and nothing may change
# its weights. PyTorch has two switches for this, and they do different things.
#
# - **Eval mode** changes what a model *computes*. In train mode, dropout sets some of the activations to 0, at random.
#   In eval mode it does nothing. The switch is the attribute `training`, and every submodule has its own.
# - **`requires_grad`** decides which gradients are computed. For a weight that requires a gradient, PyTorch keeps what
#   the backward pass needs. That costs memory and time, and an optimizer that holds such weights changes them. Every
#   weight has its own switch.
#
# Below, the tiny teacher gets the same input twice. Gradients are off, but the model is in train mode.

# %%
predict(
    "dropout",
    "Same weights, same input, train mode: do the two probabilities of the teacher's "
    "likeliest token differ by more than 0.01, by less, or not at all?",
    choices=["they are equal", "less", "more than 0.01"],
)


# %%
def likeliest_token_twice(model):
    """The probability of one next token, computed twice from the same input."""
    question = load_tokenizer("tiny")("Mia hurried to her", return_tensors="pt")
    twice = [model(**question).logits[0, -1].softmax(dim=-1) for _ in range(2)]
    first = twice[0].argmax()
    return [round(probability[first].item(), 4) for probability in twice]


torch.manual_seed(0)
tiny_teacher = load_teacher("tiny").requires_grad_(False).train()
apart = likeliest_token_twice(tiny_teacher)
print("its likeliest token's probability:", apart)
reveal("dropout", "more than 0.01" if abs(apart[0] - apart[1]) > 0.01 else "less")

# %% [markdown]
# No weight has changed, yet the answers differ: in train mode the teacher applies its dropout of 0.1. A student of this
# teacher would learn from noisy targets. (Some models have no dropout. Setting eval mode is still right, because your
# code should not depend on it.)

# %% [markdown]
# ## Exercise 1 · Freeze a model
#
# ●○○○○ difficulty · ●●●●○ importance · about 4 minutes · a warm-up
#
# Write `freeze`. It sets both switches on the whole model and returns the model, so that you can write
# `teacher = freeze(load_teacher())`.
#
# <details><summary>Hint 1: where to start</summary>
#
# There are two things to do, one after the other, and then the return. Do not copy the model. A copy needs as much
# memory as the teacher, and the original would still be unfrozen.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# A module has a method for each switch, and both methods reach all submodules and weights. Assigning an attribute
# "requires_grad" to the model itself has no effect, because only weights have this switch. PyTorch accepts the
# assignment silently.
#
# </details>
#
# <details><summary>Hint 3: the names</summary>
#
# The methods are `eval` and `requires_grad_`. The second takes a bool, and its trailing underscore says that it works
# in place. Do not forget the parentheses: a method that you name but do not call does nothing.
#
# </details>


# %% exercise="freeze"
def freeze(model):
    """Put a model in eval mode, turn off all its gradients, and return the same model.

    model: an `nn.Module`, in any mode. No weight changes its value.
    Source: torch.nn.Module.eval, torch.nn.Module.requires_grad_.
    """
    model.eval()
    model.requires_grad_(False)
    return model


# %% check="freeze" points=1
check(freeze)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **"1 more part is in train mode" or similar**, although you set `model.training = False`: the attribute of the model
#   alone does not reach its submodules. Call `model.eval()`.
# - **The weights can still be trained**: `model.requires_grad = False` creates an attribute that nobody reads. Call the
#   method with the underscore.
# - **None came back**: `eval` and `requires_grad_` work in place, but your function has to return the model itself.
#
# </details>

# %%
teacher = freeze(teacher)
tiny_teacher = freeze(tiny_teacher)
print("its likeliest token's probability:", likeliest_token_twice(tiny_teacher))

# %% [markdown]
# <details><summary>What you should see</summary>
#
# Twice the same number. In eval mode the teacher's answer is a fixed reference.
#
# </details>

# %% [markdown]
# ## The size of a model
#
# The size of a model is the number of its weights, also called its *parameters*. Counting them has three traps.
#
# - **Frozen weights count.** They take up memory like all others.
# - **Tied weights count once.** Language models often use *one* matrix at both ends, to embed tokens and to score them.
#   Such a matrix has two names but exists once.
# - **Buffers do not count.** These are tensors that a model carries but does not train, such as masks or running means.

# %% [markdown]
# ## Exercise 2 · Count the parameters
#
# ●○○○○ difficulty · ●●○○○ importance · about 4 minutes · a warm-up
#
# Write `count_parameters`. It returns the number of weights of a model.
#
# <details><summary>Hint 1: where to start</summary>
#
# Loop over the model's weights and add up how many numbers each one holds.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# A module has the method `parameters`, which yields tied weights once and leaves buffers out. `state_dict` does
# neither. The method `numel` of a tensor gives the number of its elements. Its length is only the first dimension.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Do not test whether a weight requires a gradient. Frozen weights still count.
#
# </details>


# %% exercise="count_parameters"
def count_parameters(model):
    """Return the number of weights of a model, an int.

    model: an `nn.Module`. Frozen weights count too, tied ones once, buffers never.
    Source: torch.nn.Module.parameters.
    """
    return sum(weight.numel() for weight in model.parameters())


# %% check="count_parameters" points=1
check(count_parameters)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **0 for one of the models**: it is frozen, and you count only weights that require a gradient.
# - **Too many, in the model with tied ends**: you count by name, and a tied matrix has two names. Use `parameters()`.
# - **A few dozen**: you count tensors. Each of them holds many numbers: `numel()`.
#
# </details>

# %% [markdown]
# Each number takes 4 bytes. The teacher needs only its weights. For each of the student's weights, AdamW, the usual
# optimizer, needs four numbers: the weight, its gradient and two running means.

# %%
predict(
    "memory",
    "Which of the two models takes more memory while the student is trained?",
    choices=["the teacher", "the student", "both the same, within 5 %"],
)


# %%
def show_memory(numbers_per_weight):
    """Print what the weights of both models need in training; return the larger."""
    sizes = [count_parameters(teacher), count_parameters(student)]
    needed = {}
    for name, size in zip(numbers_per_weight, sizes, strict=True):
        needed[name] = megabytes = size * numbers_per_weight[name] * 4 / 1e6
        numbers = f"{size:,} weights × {numbers_per_weight[name]} × 4 bytes"
        print(f"{name}: {numbers} = {megabytes:,.1f} MB")
    print(f"the teacher has {sizes[0] / sizes[1]:.1f} times as many weights")
    return max(needed, key=needed.get)


reveal("memory", "the " + show_memory({"teacher": 1, "student": 4}))

# %% [markdown]
# If the teacher has fewer than four times the student's weights, the student takes more memory during training. In
# addition, training needs the activations between the layers, and the logits: `(B, S, V)` numbers from each model. With
# a large vocabulary, the logits are often the largest tensors of all.

# %% [markdown]
# ## From a batch to labels
#
# Texts differ in length, but a batch is a rectangle. Shorter rows are filled up with *padding*. The *attention mask*
# says which positions hold text: 1 for text, 0 for padding.


# %%
def show_rows(batch):
    """Print the tokens and the attention mask of each row."""
    for ids, ones in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        print([tokenizer.decode([i]) for i in ids.tolist()])
        print(ones.tolist())


two_texts = ["Mia felt glad.", "Tom felt sad and cried."]
example_rows = encode_rows(two_texts, tokenizer, max_length=16)
show_rows(example_rows)

# %% [markdown]
# Look at the ends of the rows. The first end-of-text token after each text is real: the model must learn that the text
# ends there. The tokens after it are padding. **Both are the same token.** Models of the GPT-2 family have no padding
# token, so it is common to use the end-of-text token for both.
#
# The student must not be trained on padding. Give padding the label -100, which the losses of lab 02 ignore. Only the
# attention mask tells you where padding is.

# %% [markdown]
# ## Quiz 1 · The end-of-text token
#
# Suppose you gave every end-of-text *token* the label -100, whether it is padding or not. The training
# loss would still fall. What would the student do when it generates text?
#
# - **A** It would stop after every token, because the end-of-text token is everywhere.
# - **B** It would write on without an end, because it was never trained to predict that a text ends.
# - **C** Nothing would change, because end-of-text tokens carry no meaning.

# %% quiz="end_of_text" points=1
end_of_text = "B"

# %% [markdown]
# ## Exercise 3 · Labels from a batch
#
# ●●○○○ difficulty · ●●●●● importance · about 8 minutes
#
# Write `make_labels`. Where there is text, the label is the token itself. Where there is padding, it is -100. Do not
# shift anything yet, and do not change the input. Padding may be on either side.
#
# <details><summary>Hint 1: where to start</summary>
#
# Check the shapes first. If the mask has a single row, PyTorch broadcasts it silently.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# Use `masked_fill`, or `torch.where`, or `clone` followed by an assignment. Methods that end in an underscore change
# the input in place.
#
# </details>
#
# <details><summary>Hint 3: in words</summary>
#
# Start from the tokens. Wherever the mask is 0, put -100. It does not matter which token stands there: if you mask
# padding by token id, you also mask the real end-of-text token.
#
# </details>


# %% exercise="make_labels"
def make_labels(input_ids, attention_mask):
    """Return the label of each position: its own token, or -100 for padding.

    input_ids: `(B, S)`, integers. attention_mask: `(B, S)`, 1 for text and 0 for
    padding, which may be on either side.
    Returns `(B, S)`, not shifted. The input stays unchanged.
    Raises ValueError if the two shapes differ.
    """
    if attention_mask.shape != input_ids.shape:
        got, expected = tuple(attention_mask.shape), tuple(input_ids.shape)
        raise ValueError(f"attention_mask has shape {got}; it must be {expected}")
    return input_ids.masked_fill(attention_mask == 0, IGNORE)


# %% check="make_labels" points=3
check(make_labels)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **A wrong value where a 0 stands inside a text**: you look for the padding *token*. Look at the mask.
# - **"Your function changes an argument that was passed to it"**: `masked_fill_` or an assignment into `input_ids`.
#   Work on a copy.
# - **"Bad input must raise a ValueError"**: a mask with a single row fits any batch by broadcasting. Compare the two
#   shapes before you compute.
#
# </details>

# %%
example_labels = make_labels(**example_rows)
print(example_labels)
ends = (example_labels == tokenizer.eos_token_id).sum().item()
print("end-of-text tokens that count:", ends)

# %% [markdown]
# ## The shift by one token
#
# The logits of a language model at one position are its prediction of the **next** token. At position 0 the model has
# read token 0 and predicts token 1. So the logits at position s belong to the token at s + 1. Two things have no
# partner: the logits at the last position, because nothing follows, and the first token, because nothing predicts it. S
# positions give S − 1 pairs.
#
# The shift must happen exactly once. Without it, the model is asked for a token that it can see. If you shift twice, it
# is asked for the token after the next. Both mistakes are common. For example, the models of the transformers library
# shift by themselves when you pass `labels=`; if your labels are already shifted, they are then shifted twice.
#
# ![Three lines: the input tokens She, felt, very, happy, end, padding, padding; the logits at each position; and the
# label of each. The label at a position is the next position's token. It is −100 where that token is padding, and the
# last logits are dropped.](../../docs/figures/shift.svg)
#
# In these labs the shift happens in one place: the function that you write next.

# %% [markdown]
# ## Exercise 4 · Align logits and labels
#
# ●○○○○ difficulty · ●●●●● importance · about 6 minutes
#
# Write `next_token_pairs`. It pairs the logits at each position with the token that comes next.
#
# <details><summary>Hint 1: where to start</summary>
#
# Draw four positions in a row, with the logits above and the tokens below, and connect what belongs together. What is
# left over at the ends?
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# You need two slices along the second axis, which holds the positions. The first axis holds the rows of the batch, and
# a slice without a comma cuts those. Check the shapes first.
#
# </details>
#
# <details><summary>Hint 3: in words</summary>
#
# Drop the last position of the logits and the first position of the labels. Return the pair, logits first.
#
# </details>


# %% exercise="next_token_pairs"
def next_token_pairs(logits, labels):
    """Align the logits at each position with the token that comes next.

    logits: `(B, S, V)`. labels: `(B, S)`, the label of each position's own token.
    Returns a pair: logits `(B, S - 1, V)` and labels `(B, S - 1)`, aligned, so that
    labels[b, s] is the target of logits[b, s].
    Raises ValueError if there is not exactly one label for each position.
    """
    if labels.shape != logits.shape[:2]:
        got, expected = tuple(labels.shape), tuple(logits.shape[:2])
        raise ValueError(f"labels has shape {got}; it must be {expected}")
    return logits[:, :-1], labels[:, 1:]


# %% check="next_token_pairs" points=3
check(next_token_pairs)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **One row too few**: `logits[:-1]` cuts the batch. The positions are the second axis: `logits[:, :-1]`.
# - **A tensor where a pair is due**: return both, separated by a comma.
# - **"Bad input must raise a ValueError"**: labels need one entry for each position of the logits. The logits have a
#   third axis, the vocabulary, so compare only the first two.
#
# </details>

# %% [markdown]
# The first row holds "Mia", "felt", "glad", ".", *end of text* and two tokens of padding.

# %%
predict(
    "pairs",
    "With which label does your function pair the full stop?",
    choices=["the full stop", "end of text", "-100"],
)

# %% [markdown]
# The next cell shows what your function pairs. In place of the logits it passes the tokens themselves, so that you can
# read both sides.


# %%
def show_pairs(batch, labels):
    """Print each token of each row with the label that your function pairs it with."""
    ids, due = next_token_pairs(batch["input_ids"][..., None], labels)
    for read, target in zip(ids[..., 0].tolist(), due.tolist(), strict=True):
        left = [tokenizer.decode([i]) for i in read]
        right = ["-100" if i == IGNORE else tokenizer.decode([i]) for i in target]
        print("   ".join(f"{a} → {b}" for a, b in zip(left, right, strict=True)))


def partner(batch, labels, position):
    """The label that your function pairs a position of the first row with, in words."""
    due = next_token_pairs(batch["input_ids"][..., None], labels)[1][0, position].item()
    names = {IGNORE: "-100", tokenizer.eos_token_id: "end of text"}
    return names.get(due, "the full stop")


show_pairs(example_rows, example_labels)
reveal("pairs", partner(example_rows, example_labels, 3))

# %% [markdown]
# <details><summary>What you should see</summary>
#
# In the first row, the full stop is paired with the end-of-text token: this is where the student learns to stop. All
# pairs after it have the label -100, because their targets are padding. The second row has one pair more that counts
# for each of its additional tokens.
#
# </details>

# %% [markdown]
# ## One training step
#
# Now write the step that uses all of this. In order:
#
# 1. the student reads the batch, with gradients;
# 2. the teacher reads the same batch, without gradients;
# 3. you make the labels, and align both models' logits with them;
# 4. you compute the loss, with the T and α that were passed in;
# 5. you clear the old gradients, compute new ones, and let the optimizer update the weights.
#
# Three mistakes are common.
#
# - **Teacher and student need the same slice.** If only the student's logits are shifted, every position learns from
#   the teacher's prediction for another position. The shapes may fit all the same.
# - **Gradients accumulate.** PyTorch adds new gradients to the old ones until you clear them. Without clearing, the
#   first step is right, but from the second on the old gradients are part of the update.
# - **A stored loss keeps its graph.** The loss is a tensor that holds the whole computation graph. Return a plain
#   number, or your list of losses fills the memory.
#
# The step does nothing else: no clipping and no schedule. It leaves the modes of both models as they are. The student
# arrives in train mode, and the teacher is frozen.

# %% [markdown]
# ## Exercise 5 · The training step
#
# ●●●○○ difficulty · ●●●●● importance · about 16 minutes
#
# Write `train_step`. A batch is a mapping with `input_ids` and `attention_mask`. The setup cell imports
# `distillation_loss` from lab 02; use it, or your own.
#
# <details><summary>Hint 1: where to start</summary>
#
# Write the five points above as comments, and then one or two lines under each. You have just written two of the
# functions that you need.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# Call a model with the tokens and with attention_mask=…; its output has the attribute `logits`. For the teacher,
# PyTorch's `no_grad` saves time and memory. Call `next_token_pairs` once for the student and once for the teacher, with
# the same labels. The optimizer's zero_grad clears old gradients.
#
# </details>
#
# <details><summary>Hint 3: the order at the end</summary>
#
# Clear, then backward, then step. If you clear between backward and step, you throw the new gradients away. Return the
# loss that you computed before the update. The method `item` turns a tensor with one element into a number.
#
# </details>


# %% exercise="train_step"
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    """Train the student on one batch, with one step of the optimizer.

    student: in train mode; called with the tokens and attention_mask, its output has
    `logits` `(B, S, V)`. teacher: the same, frozen. batch: a mapping of `input_ids` and
    `attention_mask`, `(B, S)`, padded on the right. optimizer: holds the student's
    weights. temperature, alpha: as in `distillation_loss`.
    Returns the loss before the update, in nats per token, as a float.
    Raises ValueError if the temperature is not above 0, or alpha is outside [0, 1].
    """
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    student_logits = student(input_ids, attention_mask=attention_mask).logits
    with torch.no_grad():
        teacher_logits = teacher(input_ids, attention_mask=attention_mask).logits
    targets = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student_logits, targets)
    teacher_logits, _ = next_token_pairs(teacher_logits, targets)
    loss = distillation_loss(
        student_logits, teacher_logits, aligned, temperature, alpha
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# %% check="train_step" points=6
check(train_step)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **The first step is right, the next ones are not**: the gradients of the step before are still there.
# - **"Trying to backward through the graph a second time"**: you call `backward` twice on the same loss, or you keep a
#   loss with its graph from the step before.
# - **`'CausalLMOutput…' object has no attribute 'shape'`**: a model returns an output object. Its logits are
#   `output.logits`.
# - **The losses differ only for the student with a dropout**: somewhere the student is put in eval mode.
#
# </details>

# %% [markdown]
# ## From a step to a run
#
# One step changes the student a little. A *run* repeats the step, batch after batch. One pass over all batches is
# called an *epoch*. Usually a run takes several epochs, because a student has not learned all it can from a batch that
# it has seen once.
#
# A loop is easy to write, and easy to get wrong without an error.
#
# - **Set the modes yourself.** A student that has just been measured is still in eval mode. It then trains without its
#   dropout, and nothing tells you. The teacher may arrive unfrozen.
# - **An iterator can be used up.** After one pass over `iter(batches)` there is nothing left, so every later epoch is
#   empty. A list can be read as often as you like.
# - **Keep every loss.** The mean over an epoch hides what happened within it, such as a jump or a slow start.
#
# Most trainers shuffle the batches anew in every epoch. Yours keeps their order, so that a run can be repeated exactly.

# %% [markdown]
# ## Exercise 6 · The training loop
#
# ●●○○○ difficulty · ●●●●● importance · about 12 minutes
#
# Write `train`. It freezes the teacher and puts the student in train mode. Then it goes through `batches`, in their
# order, as many times as there are epochs, and takes one step on each batch. It returns a list with the loss of every
# step, as plain numbers. The optimizer is the caller's: use it as it is. If `batches` is empty, raise a `ValueError`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Prepare both models before the first step. Then you need two loops, one inside the other, and a list that exists
# before both of them.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# You have written both parts: `freeze` for the teacher and `train_step` for the step. `student.train()` switches the
# mode. `len(batches)` tells you whether there is anything to train on.
#
# </details>
#
# <details><summary>Hint 3: in words</summary>
#
# For each epoch, for each batch: take a step with the T and α that were passed in, and append its loss to the list.
# Return the list after both loops, not inside one of them.
#
# </details>


# %% exercise="train"
def train(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    """Train the student for some epochs, one step per batch.

    student, teacher: in any mode; the teacher is frozen, and the student trained in
    train mode. batches: a list of batches as `train_step` takes them. optimizer: holds
    the student's weights. epochs: how often to go through all batches, in their order.
    Returns a list of floats: the loss of every step, epochs × number of batches.
    Raises ValueError if there is no batch.
    """
    if len(batches) == 0:
        raise ValueError("batches is empty; training needs at least one batch")
    freeze(teacher)
    student.train()
    losses = []
    for _ in range(epochs):
        for batch in batches:
            loss = train_step(student, teacher, batch, optimizer, temperature, alpha)
            losses.append(loss)
    return losses


# %% check="train" points=4
check(train)

# %% [markdown]
# <details><summary>Help – I'm getting …</summary>
#
# - **A list that is too short**: count. As long as the number of batches: the loop over epochs is missing, or an
#   iterator was used up. As long as the number of epochs: you append once per epoch. One entry: `return` is inside a
#   loop.
# - **`TypeError: 'NoneType' object is not iterable`** further down in the lab: the return is missing.
# - **Other losses for the student that arrives in eval mode**: call `student.train()` before the first step.
#
# </details>

# %% [markdown]
# ## Quiz 2 · Steps and epochs
#
# Your run below will take 300 steps on 300 rows, with 8 rows in a batch. How often does the student
# read each row?
#
# - **A** Once, because 300 steps are enough for 300 rows.
# - **B** About eight times: one epoch takes 38 steps.
# - **C** 300 times, once in every step.

# %% quiz="how_often" points=1
how_often = "B"

# %% [markdown]
# ## Overfit one batch
#
# A good first test of any training loop is to overfit a single small batch: train on it again and again until the model
# knows it by heart. If the loss does not fall, the mistake is in your code, and you find out within seconds. With
# `train` this is one call: a list of one batch, and 40 epochs.
#
# You train twice on the same four rows, once with α = 0 (hard labels only) and once with α = 1 (teacher only, where the
# loss is T² · KL at T = 3).

# %%
predict(
    "overfit",
    "Which of the two losses is lower after 40 steps?",
    choices=["hard labels only, α = 0", "teacher only, α = 1", "both are 0"],
)

# %%
first_batch = next(iter(load_batches("tiny")[0]))
four_rows = {name: part[:4] for name, part in first_batch.items()}


def overfit(alpha, steps=40):
    """The losses of a tiny student that gets the same four rows at every step."""
    pupil = load_student("tiny")
    adamw = torch.optim.AdamW(pupil.parameters(), lr=1e-2)
    found = train(pupil, tiny_teacher, [four_rows], adamw, steps, 3.0, alpha)
    print(f"α = {alpha:g}: {steps} steps, loss {found[0]:.2f} to {found[-1]:.2f}")
    return found


# %%
by_heart = {
    "hard labels only, α = 0": overfit(0.0),
    "teacher only, α = 1": overfit(1.0),
}

# %%
plots.overfitted_batch(by_heart)
reveal("overfit", min(by_heart, key=lambda name: by_heart[name][-1]))

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# Both losses fall, so the loop learns. Neither reaches 0 within these 40 steps.
#
# With α = 1, the smallest possible loss is 0, for a student that predicts exactly what the teacher predicts. After 40
# steps it is still about half a nat. T² makes it look large: it is 9 times a KL divergence of less than 0.06 nats. And
# the student trains with dropout, which keeps its predictions noisy.
#
# With α = 0, the student memorises the rows, and the loss falls to about 0.1. The first token of a row remains
# uncertain, because all four rows begin with the same end-of-text token and continue differently.
#
# You cannot compare the heights of the two curves: one is a cross-entropy, the other a KL divergence times T². A lower
# curve does not mean a better student.
#
# </details>

# %% [markdown]
# ## Training without the shift
#
# A common recipe forgets the shift: it compares the logits at position s with the token at position s.
#
# You train one tiny student this way, on hard labels only, and another with the shift, for 60 steps each. Then both
# continue "Mia felt".

# %%
predict(
    "no_shift",
    "Which student has the lower loss at the end?",
    choices=["the one without the shift", "the one with the shift", "neither"],
)


# %%
def labels_only(shift, steps=60):
    """A tiny student trained on hard labels, with the shift or without; its losses."""
    pupil = load_student("tiny").train()
    optimizer = torch.optim.AdamW(pupil.parameters(), lr=1e-2)
    title = f"{'With' if shift else 'Without'} the shift"
    with LiveCurve(title, steps, unit="nats per token") as live:
        for _, batch in zip(range(steps), load_batches("tiny")[0], strict=False):
            pair = pupil(**batch).logits, make_labels(**batch)
            scores, targets = next_token_pairs(*pair) if shift else pair
            loss = F.cross_entropy(scores.flatten(0, 1), targets.flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            live.add(loss.item())
    return pupil.eval(), live.losses


# %%
def likeliest(model, prompt, tier=None, count=3):
    """The likeliest next tokens after a prompt, with their probabilities."""
    words = load_tokenizer(tier)
    inputs = words(prompt, return_tensors="pt").to(next(model.parameters()).device)
    with torch.inference_mode():
        best = model(**inputs).logits[0, -1].float().softmax(dim=-1).topk(count)
    ids, probabilities = best.indices.tolist(), best.values.tolist()
    return {words.decode([i]): p for i, p in zip(ids, probabilities, strict=True)}


# %%
def compare_shifts():
    """Train without and with the shift, and print what comes out; the last losses."""
    last = {}
    for name, shift in {"without the shift": False, "with the shift": True}.items():
        pupil, found = labels_only(shift)
        next_tokens = likeliest(pupil, "Mia felt", "tiny").items()
        said = ", ".join(f"{name} {p:.2f}" for name, p in next_tokens)
        print(f"{name:18} last loss {found[-1]:.3f} nats")
        print(f"{'':18} after “Mia felt” comes: {said}")
        last[f"the one {name}"] = found[-1]
    return last


last_losses = compare_shifts()
reveal("no_shift", min(last_losses, key=last_losses.get))

# %% [markdown]
# <details><summary>What this shows</summary>
#
# Without the shift, the loss falls far below the entropy of the language, which no model can reach by predicting. That
# alone is a warning: **a loss that is too good means a bug**. This student has learned to copy the token that it has
# just read.
#
# If you forget the shift in the hard term of a distillation loss, the soft term still pulls towards the right
# prediction, because it compares teacher and student at the same position. The two terms then work against each other,
# and the loss falls all the same.
#
# </details>

# %% [markdown]
# ## The run
#
# Now train on the tier's text. The function `run` below is your `train` with three additions: it shows a live curve, it
# counts steps in place of epochs, and it can be interrupted. A run may be interrupted: by you, by a laptop that goes to
# sleep, or by a service that takes its GPU back. Therefore it saves a *checkpoint* every 50 steps. A checkpoint holds
# the student's weights, the optimizer's running means, the state of the random number generator, and the step. All of
# them are needed to continue as if nothing had happened.
#
# - **Interrupt it** while it runs (the ■ button). The current step is finished, a checkpoint is saved, and a line says
#   where it stopped.
# - **Run the cell again**, and it resumes from there.
# - A checkpoint keeps what a wrong `train_step` has done. After you change that function, set `start_again = True`.

# %%
start_again = False
checkpoint = Path("checkpoints") / f"{settings.name}_student.safetensors"
graded = "NBGRADER_EXECUTION" in os.environ  # while grading, the run is only tried
steps = 20 if graded else settings.steps
training, _ = load_batches()
training_batches = [
    {name: part.to(device) for name, part in each.items()} for each in training
]
training_rows = sum(len(each["input_ids"]) for each in training_batches)
print(f"{steps} steps of {settings.batch_size} rows; {len(training_batches)} batches")
passes = steps * settings.batch_size / training_rows
print(f"{training_rows} rows of text, so {passes:.1f} epochs")


# %%
def run(student, steps):
    """Train the student, resuming from its checkpoint; return all its losses."""
    T, alpha = settings.temperature, settings.alpha
    kept = {"tier": settings.name, "steps": steps, "temperature": T, "alpha": alpha}
    freeze(teacher)
    optimizer = torch.optim.AdamW(student.train().parameters(), settings.learning_rate)
    found = load_checkpoint(checkpoint, student, optimizer, settings=kept)
    done, losses = found or (0, [])
    live = LiveCurve("Distillation", steps, done=losses, unit="nats per token")
    with live, interrupt_waits() as stop:
        for step in range(done, steps):
            batch = training_batches[step % len(training_batches)]
            live.add(train_step(student, teacher, batch, optimizer, T, alpha))
            if stop() or (step + 1) % 50 == 0 or step + 1 == steps:
                now = {"step": step + 1, "losses": live.losses}
                save_checkpoint(checkpoint, student, optimizer, **now, settings=kept)
            if stop():
                raise RunStopped(step + 1)
    return live.losses


# %% [markdown]
# Draw the curve that you expect: the loss from the first step to the last. Does it come down to 0? If not, what keeps
# it up?

# %%
predict(
    "loss_curve",
    "The loss of this run over its steps, in nats per token",
    curve={"x": ("step", 1, steps), "y": ("loss (nats per token)", 0, 5)},
)

# %%
if start_again:
    checkpoint.unlink(missing_ok=True)
    start_again = False  # so that running this cell again resumes
torch.manual_seed(0)
student = load_student().to(device)
losses = run(student, steps)

# %%
bound = None
if settings.name == "tiny":  # where the entropy of the language is known
    entropy = KnownLanguage.stories().row_entropy(settings.length)
    bound = (1 - settings.alpha) * entropy
plots.training_curve(losses, bound)
reveal("loss_curve", (range(1, len(losses) + 1), losses))

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# The hard term cannot fall to 0 on text that the student has not seen, because nobody can know which of several likely
# tokens comes next. Its expected value is at least the entropy H of the language, so the loss is at least (1 − α) · H.
# In the tiny tier H is known exactly: it is 1.168 nats per token for these rows. The dotted line is half of it, 0.584.
#
# The line is a **lower bound only**. Even a student that knew the true probabilities would lie above it, because it
# would still pay α · T² · KL for every difference between the truth and the teacher. And it holds for fresh text only.
# This run reads the same 300 rows eight times, that is, for eight epochs. A student can begin to memorise rows that it
# reads again and again, which is called *overfitting*, and then the training loss may fall below the bound.
#
# So the curve tells you how well the student fits its training text. It does not tell you how well it predicts
# *held-out* text, which it has not seen, nor how much the teacher helped. A student trained on hard labels only has a
# falling curve too. Lab 04 measures both, for this student as well.
#
# </details>

# %% [markdown]
# ## Quiz 3 · A loss that climbs
#
# You change something in your loop, and start again. The first loss is the same as always. But from 1.8 nats it climbs
# to more than 6, on the training rows and on held-out rows alike. The learning rate is the usual one. What is the most
# likely mistake?
#
# - **A** The student overfits: it has read its training rows too often.
# - **B** The gradients are never cleared.
# - **C** The student is in eval mode while it trains.
# - **D** The labels are not shifted.

# %% quiz="climbing_loss" points=1
climbing_loss = "B"

# %% [markdown]
# ## Read your curve
#
# These are four runs of the tiny student, 300 steps each, on hard labels. The solid line is the loss on the training
# rows, the dashed line the loss on held-out rows. Each panel has its own scale. One run is healthy. In each of the
# others, one thing was changed.
#
# ![Four panels with two lines each, the loss on training rows and on held-out rows over 300 steps. Healthy: both fall
# together. Overfitting: the training loss falls to nearly 0, the held-out loss rises. Learning rate too high: both jump
# up and stay high. zero_grad forgotten: both climb.](../../docs/figures/read_your_curve.svg)
#
# - **Healthy.** Both lines fall together, fast at first, then more slowly.
# - **Overfitting.** The student read the same 24 rows again and again. Its training loss is the lowest of the four, and
#   its held-out loss climbs above 5. Look at both lines, or you take this run for the best one. More text helps, or
#   fewer steps.
# - **Learning rate too high.** The loss jumps to more than twice its first value and never comes back. With a rate a
#   hundred times the healthy one, every step overshoots. Divide it by ten and try again.
# - **Gradients never cleared.** The first step is right. From then on the old gradients are added to the new ones, and
#   the updates no longer point downhill. With a smaller rate, this can take many steps to show.
#
# Two of these can look alike after a few steps. So test one suspicion at a time: clear the gradients, divide the rate,
# measure on held-out rows.

# %% [markdown]
# ## The teacher of the tiny tier
#
# Before you judge your student, you should know who taught it. The tiny teacher was trained on 48,000 rows of the same
# language, 160 times as many as your student gets. On held-out rows it is only 0.002 nats per token away from the true
# probabilities. It is nearly an *oracle*. The student starts at 0.587 nats.
#
# With such a teacher, distillation works better than you can expect elsewhere. It even pays to leave the labels out.
# After 300 steps, each with the learning rate that suits it, the mean distance to the truth over five seeds is
#
# | student | distance to the truth (nats per token) |
# | --- | ---: |
# | hard labels only, α = 0 | 0.112 |
# | labels and teacher, α = 0.5 | 0.027 |
# | teacher only, α = 1 | 0.005 |
#
# A label is one sample from the true distribution. This teacher shows nearly the whole distribution at every position,
# so here the labels add only noise. A real teacher makes mistakes that labels can correct. Lab 04 shows a case where
# teacher-only training is the worst of the three.

# %% [markdown]
# ## What the student predicts now
#
# This is one example, not a measurement.
#
# Suppose teacher and trained student agree on the likeliest token.

# %%
predict(
    "ranks",
    "Rank the teacher's six likeliest tokens by probability, for the teacher and for "
    "your student. Up to which rank do the two agree?",
    choices=["the first", "the second or third", "the fourth or beyond"],
)


# %%
def chances(prompt):
    """The teacher's six likeliest next tokens, and their probability for each model."""
    names = list(likeliest(teacher, prompt, count=6))
    before = load_student().to(device).eval()
    shown = {
        "teacher": teacher,
        "student before": before,
        "student after": student.eval(),
    }
    answers = {}
    for key, model in shown.items():
        everything = likeliest(model, prompt, count=model.config.vocab_size)
        answers[key] = [everything[name] for name in names]
    return names, answers


beach, town = "Tom walked to the beach and found a", "The children went to the"
opening = beach if settings.name == "tiny" else town
names, answers = chances(opening)


# %%
def same_order(answers):
    """How many of the teacher's tokens the student puts in the same order."""
    chosen = answers["student after"]
    falling = [a >= b for a, b in zip(chosen, chosen[1:], strict=False)]
    return next((n for n, falls in enumerate(falling, 1) if not falls), len(chosen))


plots.next_token_chances(f"{opening} …", names, answers)
count = same_order(answers)
RANKS = ["the first", "the second or third", "the fourth or beyond"]
reveal("ranks", RANKS[(count > 1) + (count > 3)])

# %% [markdown]
# ## Self-check
#
# **White box and black box.** What you have just done is *white-box* distillation: you can read the teacher's
# logits. In *black-box* distillation the teacher is a service that returns text. (a) Which lines of your `train_step`
# are then impossible, and what is the student trained on instead? (b) What does the student miss, and why is it done
# all the same?
#
# *Four to six sentences, about 5 minutes.*

# %% [markdown] answer="white_and_black_box" points=2
# (a) You cannot get the teacher's logits for a given text, so neither the teacher's forward pass nor the soft term is
# possible. Instead, the teacher generates text, and the student is trained on it with plain cross-entropy: on hard
# labels that happen to come from the teacher (sequence-level distillation).
#
# (b) At each position the student sees one token, where white-box training shows it the probability of every token. How
# likely the teacher considers the others only shows over very many samples. It is done because the largest models are
# often available only as a service, and because teacher and student then need not share a tokenizer.

# %% [markdown]
# **Is it the teacher?** A colleague shows you a curve like yours: "The loss fell from 3 to 1, so distillation
# works." Which run is missing before you can say that, and what must be the same in both runs?
#
# *Three or four sentences, about 5 minutes.*

# %% [markdown] answer="missing_control" points=2
# The missing run is a control: a student trained on hard labels only, with the same start, the same text, the same
# number of steps and a learning rate that suits it. Any training on this text makes the loss fall; only what
# distillation adds to the control is due to the teacher. Both must be measured in the same way on held-out text,
# because the two losses are different quantities. And both need more than one seed, because one run may be luck.

# %% [markdown]
# ## What to take away
#
# - Freezing takes **two switches**: eval mode for what the teacher computes, `requires_grad` for its gradients.
# - Labels come from the **attention mask**. Padding and end of text may be the same token.
# - The **shift** happens in one place. Student and teacher get the same slice.
# - A step: clear, backward, step, return a number. A run: set the modes, loop over epochs and batches, keep every loss.
# - Overfit one batch before the run. A loss that is too good means a bug.
# - Read the training loss beside the held-out loss. A loss that falls says nothing about the teacher; lab 04 measures
#   that.
# - The tiny teacher is nearly an oracle. Do not expect gains of this size from a real one.
# - A run can be interrupted. Save everything that it needs to resume.

# %% [markdown]
# ## Reading list
#
# **Required**
#
# - Hinton, Vinyals and Dean 2015, [Distilling the Knowledge in a Neural Network](https://arxiv.org/abs/1503.02531),
#   sections 1 and 2: the loss that you have just trained with.
# - Sanh et al. 2019, [DistilBERT](https://arxiv.org/abs/1910.01108), sections 2 and 3: the same recipe for a language
#   model, with a student that starts from the teacher's layers.
#
# **Optional**
#
# - Kim and Rush 2016, [Sequence-Level Knowledge Distillation](https://arxiv.org/abs/1606.07947): what to do if you get
#   text from the teacher and no logits.
# - Karpathy 2019, [A Recipe for Training Neural Networks](https://karpathy.github.io/2019/04/25/recipe/): overfit one
#   batch, and other tests before the first long run.
#
# **Reference**
#
# - PyTorch, [Optimization](https://docs.pytorch.org/tutorials/beginner/basics/optimization_tutorial.html) and
#   [Autograd mechanics](https://docs.pytorch.org/docs/stable/notes/autograd.html), on `requires_grad`, eval mode and
#   `no_grad`.

# %% [markdown]
# ## Stretch goals
#
# - Train on batches of 8 rows in two halves of 4, with one optimizer step for both (*gradient accumulation*). How must
#   you weight the two means if the halves hold different numbers of counted tokens? Show that the step is the same as
#   with 8 rows.
# - Interrupt the run, resume it, and compare the losses with an uninterrupted run. Then leave the state of the random
#   number generator out of the checkpoint. From which step on do the curves differ, and why?
# - Put the student in eval mode for the run. The tiny student has a dropout of 0.1. Does it end better or worse on
#   held-out text?
# - Shuffle the batches anew in every epoch of `train`. Is the student better on held-out text?
# - Make the teacher worse on purpose: divide its logits by 5 before the loss. Which α still helps?
