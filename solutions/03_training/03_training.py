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
# You have a loss. In this lab you put a training loop around it: a large teacher that holds still, a small student that
# learns, and between them the one place where text turns into labels. Then you run it, watch it, stop it and let it go
# on.
#
# **At the end you can**
#
# - freeze a teacher, and say why that takes two switches;
# - turn a padded batch into labels without losing a real end of text;
# - line up each prediction with the token that it predicts, once and in one place;
# - write a training step, and test it before you trust it with an hour of computing.
#
# **Time:** about 90 minutes.
#
# **You need:** the distillation loss (lab 02), and how an optimizer takes a step in PyTorch.
#
# Work from top to bottom. Under each exercise stands a check: run it as often as you like.

# %% setup=true
import torch

from helpers.losses import distillation_loss

IGNORE = -100  # the label of a token that is not counted

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import torch.nn.functional as F

from helpers.engine.checkpoint import interrupt_waits, load_checkpoint, save_checkpoint
from helpers.checks import check
from helpers.data.batches import encode_rows
from helpers.data.known_language import KnownLanguage
from helpers.live_curve import LiveCurve, running_mean
from helpers.models import load_student, load_teacher, load_tokenizer
from helpers.plots import bars, lines, show
from helpers.setup.preflight import preflight
from helpers.tiers import load_batches, tier_of

# %% [markdown]
# ## Before it starts
#
# The same code runs in three sizes, called *tiers*: `tiny` needs nothing but this project, `laptop` a small real model,
# `gpu` a GPU. `DISTILLAB_TIER` in the environment chooses; without it you are in `tiny`, which is enough for all that
# follows. Before a run starts, a *preflight* says what it downloads, needs and takes.

# %%
settings = tier_of()
preflight()

# %%
device = "cuda" if torch.cuda.is_available() and settings.name != "tiny" else "cpu"
tokenizer = load_tokenizer()
teacher, student = load_teacher().to(device), load_student().to(device)
print(type(teacher).__name__, "teaches", type(student).__name__)

# %% [markdown]
# ## A teacher that holds still
#
# The teacher is a yardstick: it must answer the same question the same way on every step, and nothing may change it.
# PyTorch has two switches for that, and they do different things.
#
# - **Eval mode** changes what a model *computes*. In train mode, dropout sets a part of the numbers inside the model to
#   0, at random. In eval mode it leaves them alone. The switch is an attribute, `training`, that each part of the model
#   has for itself.
# - **`requires_grad`** changes what a model *remembers*. A weight that requires a gradient makes PyTorch keep all that
#   is needed to compute it: memory and time, for a gradient that nobody wants. And an optimizer that gets hold of such
#   weights changes them. This switch sits on every single weight.
#
# **Predict first.** The next cell asks the tiny teacher the same question twice, with gradients switched off both times
# and in train mode. How far apart are the two answers, as probabilities?

# %%
restless = load_teacher("tiny").requires_grad_(False).train()
question = load_tokenizer("tiny")("Mia hurried to her", return_tensors="pt")
twice = [restless(**question).logits[0, -1].softmax(dim=-1) for _ in range(2)]
first_word = twice[0].argmax()
print("the likeliest word's probability:", [f"{p[first_word].item():.3f}" for p in twice])

# %% [markdown]
# No weight has changed, and no gradient was kept. Yet the two answers differ: the teacher was in train mode, and its
# dropout is 0.1. A student that learns from this learns noise on top of what the teacher knows. (Some models have no
# dropout at all. Then the first switch does nothing, and it is still right to set it.)

# %% [markdown]
# ## Exercise 1: freeze
#
# Set both switches on the whole model, and return the model, so that `teacher = freeze(load_teacher())` works.
#
# <details><summary>Hint 1: where to start</summary>
#
# Two things to do, one after the other, then the return. Do not copy the model: a copy costs as much memory as the
# teacher, and the one you were given would still be loose.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# Modules have a method for each switch. Both reach all parts and all weights below. Setting an attribute called
# "requires_grad" on the model itself does nothing, as only weights have that switch: PyTorch says no word about it.
#
# </details>
#
# <details><summary>Hint 3: the names</summary>
#
# The methods are called `eval` and `requires_grad_`; the second takes a bool, and its underscore says that it works in
# place. Mind the parentheses: a method that you name but do not call does nothing.
#
# </details>


# %% exercise="freeze"
def freeze(model):
    """Put a model in eval mode, stop all its gradients, and return the same model.

    model: an `nn.Module`, in whatever mode it arrives. No weight changes its value.
    Source: torch.nn.Module.eval, torch.nn.Module.requires_grad_.
    """
    model.eval()
    model.requires_grad_(False)
    return model


# %% check="freeze" points=2
check(freeze)

# %%
teacher = freeze(teacher)
still = [freeze(restless)(**question).logits[0, -1].softmax(dim=-1) for _ in range(2)]
print("the likeliest word's probability:", [f"{p[first_word].item():.3f}" for p in still])

# %% [markdown]
# ## How large is a model
#
# A model's size is the number of its weights. It sounds like a sum, and there are three traps in it.
#
# - A **frozen** weight still takes up room: it counts.
# - Language models often use *one* matrix at both ends, to read tokens in and to score them. Such **tied** weights have
#   two names and exist once: they count once.
# - A model may also carry **buffers**, numbers that are not trained, such as masks or running means. They are no
#   weights.

# %% [markdown]
# ## Exercise 2: count_parameters
#
# Count the weights of a model.
#
# <details><summary>Hint 1: where to start</summary>
#
# Go through the model's weights and add up how many numbers each one holds.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# A module has the method `parameters`. It knows about ties and leaves buffers out. `state_dict` does neither. A tensor
# says how many numbers it holds with `numel`; its length is only its first dimension.
#
# </details>
#
# <details><summary>Hint 3: what to avoid</summary>
#
# Do not ask a weight whether it requires a gradient. Your teacher is frozen, and it is not empty.
#
# </details>


# %% exercise="count_parameters"
def count_parameters(model):
    """How many weights does a model have?

    model: an `nn.Module`. Returns a whole number: frozen weights count too, tied ones once, buffers never.
    Source: torch.nn.Module.parameters.
    """
    return sum(weight.numel() for weight in model.parameters())


# %% check="count_parameters" points=2
check(count_parameters)

# %% [markdown]
# **Predict first.** Each number takes 4 bytes. The teacher needs its weights and nothing else. AdamW, the usual
# optimizer, needs for each of the student's weights: the weight, its gradient, and two running means. Which of the two
# models takes more memory?

# %%
sizes = {name: count_parameters(model) for name, model in {"teacher": teacher, "student": student}.items()}
for name, numbers in {"teacher": 1, "student": 4}.items():
    megabytes = sizes[name] * numbers * 4 / 1e6
    print(f"{name}: {sizes[name]:,} weights, {numbers} number(s) each: {megabytes:,.1f} MB")
print(f"the teacher has {sizes['teacher'] / sizes['student']:.1f} times as many weights")

# %% [markdown]
# A teacher less than four times as large as its student is the smaller of the two while you train. What training needs
# on top are the numbers between the layers, and the scores: `(B, S, V)` of them from each model. With a large
# vocabulary these are often the largest of all.

# %% [markdown]
# ## From a batch to labels
#
# Texts differ in length, and a batch is a rectangle. So the short rows are filled up, with *padding*. The *attention
# mask* says which places hold text: 1 for text, 0 for padding.

# %%
rows = encode_rows(["Mia felt glad.", "Tom felt sad and cried."], tokenizer, max_length=16)
for tokens, mask in zip(rows["input_ids"], rows["attention_mask"], strict=True):
    print([tokenizer.decode([token]) for token in tokens.tolist()])
    print(mask.tolist())

# %% [markdown]
# Look at the ends. The first token after each text is real: the model has to learn that a text ends there. What follows
# it is padding. **It is the same token.** Models of the GPT-2 family have no padding token of their own, so people use
# the end-of-text token for both.
#
# The student must not be trained on padding. That is what the label -100 is for: no loss that you have written counts
# it. Where padding is, only the attention mask knows.
#
# **Predict first.** Suppose you gave every end-of-text *token* the label -100. The loss would go down nicely. What
# would a student so trained do when it writes a text?

# %% [markdown]
# ## Exercise 3: make_labels
#
# Turn tokens and attention mask into labels: the token itself where there is text, -100 where there is padding. Do not
# shift anything yet, and do not change what you were given. Padding may stand on either side.
#
# <details><summary>Hint 1: where to start</summary>
#
# Test the shapes first. A mask with one row too few broadcasts without a word.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# `masked_fill`, or `torch.where`, or a `clone` and an assignment. Methods that end in an underscore work in place.
#
# </details>
#
# <details><summary>Hint 3: in words</summary>
#
# Take the tokens. Wherever the mask is 0, put -100. Which token stands there plays no part.
#
# </details>


# %% exercise="make_labels"
def make_labels(input_ids, attention_mask):
    """The label of each place of a batch: its own token, or -100 where there is padding.

    input_ids: `(B, S)`, whole numbers. attention_mask: `(B, S)`, 1 for text and 0 for padding, on either side.
    Returns `(B, S)`, not shifted. The input stays as it is.
    Raises ValueError if the two differ in shape.
    """
    if attention_mask.shape != input_ids.shape:
        raise ValueError(f"attention_mask has shape {tuple(attention_mask.shape)}; due is {tuple(input_ids.shape)}")
    return input_ids.masked_fill(attention_mask == 0, IGNORE)


# %% check="make_labels" points=3
check(make_labels)

# %%
labels = make_labels(rows["input_ids"], rows["attention_mask"])
print(labels)
print("end-of-text tokens that count:", (labels == tokenizer.eos_token_id).sum().item())

# %% [markdown]
# ## One step ahead
#
# A language model's scores at a place are its guess for the **next** token. Its scores at place 0 have seen token 0 and
# predict token 1. So the scores at place s belong beside the token at s + 1. Two tokens have no partner: nothing
# follows the last, and nothing predicts the first. From S places you get S − 1 pairs.
#
# Somebody has to move the two against each other by one. If nobody does, the model is asked for a token that it can
# see. If two do, it is asked for the token after next. (Both happen: the models of transformers shift for you when
# you hand them `labels=`. Whoever shifts beforehand as well has shifted twice.)
#
# In these labs the shift has one place: the function that you write next.

# %% [markdown]
# ## Exercise 4: next_token_pairs
#
# Put each place's scores beside the token that comes next.
#
# <details><summary>Hint 1: where to start</summary>
#
# Draw four places in a row, scores above, tokens below, and connect what belongs together. What is left over at the
# ends?
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# Two slices along the second axis, the one of the places. The first axis are rows of the batch: a slice without a comma
# cuts those. Test the shapes first.
#
# </details>
#
# <details><summary>Hint 3: in words</summary>
#
# Of the scores drop the last place, of the labels the first one. Return the pair, scores first.
#
# </details>


# %% exercise="next_token_pairs"
def next_token_pairs(logits, labels):
    """Line up each place's logits with the token that comes next.

    logits: `(B, S, V)`. labels: `(B, S)`, the label of each place's own token.
    Returns a pair: logits `(B, S - 1, V)` and labels `(B, S - 1)`, aligned, so that labels[b, s] is the target of
    logits[b, s].
    Raises ValueError if there is not one label for each place.
    """
    if labels.shape != logits.shape[:2]:
        raise ValueError(f"labels has shape {tuple(labels.shape)}; it must be {tuple(logits.shape[:2])}")
    return logits[:, :-1], labels[:, 1:]


# %% check="next_token_pairs" points=3
check(next_token_pairs)

# %% [markdown]
# See what your function pairs. In place of scores it gets the tokens themselves, so that you can read both sides.
# **Predict first:** which word stands beside the full stop in the first row, and which places say -100?

# %%
seen, due = next_token_pairs(rows["input_ids"][..., None], labels)
for row in range(2):
    after = [tokenizer.decode([t]) for t in seen[row, :, 0].tolist()]
    target = [tokenizer.decode([t]) if t != IGNORE else "-100" for t in due[row].tolist()]
    print("   ".join(f"{a} → {b}" for a, b in zip(after, target, strict=True)))

# %% [markdown]
# ## One training step
#
# Now the step that all the rest is for. In order:
#
# 1. the student reads the batch, with gradients;
# 2. the teacher reads the same batch, without;
# 3. labels are made, and all three, both models' scores and the labels, are lined up;
# 4. the loss is computed, with T and α as they were handed in;
# 5. the old gradients go, new ones come, the optimizer moves the weights.
#
# Three things go wrong again and again.
#
# - **The teacher's scores need the same slice as the student's.** If only the student is shifted, every place learns
#   from the teacher's opinion of another place. Shapes may fit all the same.
# - **Gradients add up.** PyTorch adds new gradients to the old ones until somebody clears them. The first step is right
#   even if nobody does; from the second on, the student also follows its past.
# - **A loss that you keep keeps everything.** The loss is a tensor with the whole graph behind it. Return a plain
#   number, or your list of losses fills the memory.
#
# The step computes nothing else: no clipping, no schedule. It leaves the modes of the two models as they are: the
# student is in train mode when it arrives, the teacher is frozen.

# %% [markdown]
# ## Exercise 5: train_step
#
# Write one step. A batch is a mapping with `input_ids` and `attention_mask`. `distillation_loss` from lab 02 is
# imported in the setup cell: use it, or your own.
#
# <details><summary>Hint 1: where to start</summary>
#
# Write the five points above as comments, then put one or two lines below each. You have written two of the functions
# that you need a moment ago.
#
# </details>
#
# <details><summary>Hint 2: which tools</summary>
#
# A model is called with the tokens and with attention_mask=…, and its answer has the attribute `logits`. For the
# teacher, PyTorch's `no_grad` saves time. Your `next_token_pairs` takes any scores: call it for the student and for the
# teacher, with the same labels. Old gradients are cleared by the optimizer's zero_grad.
#
# </details>
#
# <details><summary>Hint 3: the order at the end</summary>
#
# Clear, then backward, then step. Clearing between backward and step throws the new gradients away. The number that you
# return is the loss from before the update; a tensor with one number has the method `item`.
#
# </details>


# %% exercise="train_step"
def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    """Train the student on one batch, by one step of the optimizer.

    student: in train mode; called with the tokens and attention_mask, its answer has `logits` `(B, S, V)`. teacher: the
    same, frozen. batch: a mapping of `input_ids` and `attention_mask`, `(B, S)`, padded on the right. optimizer: holds
    the student's weights. temperature, alpha: as in `distillation_loss`.
    Returns the loss before the update, in nats a token, as a float.
    Raises ValueError if the temperature is not above 0, or if alpha is outside [0, 1].
    """
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    student_logits = student(input_ids, attention_mask=attention_mask).logits
    with torch.no_grad():
        teacher_logits = teacher(input_ids, attention_mask=attention_mask).logits
    targets = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student_logits, targets)
    teacher_logits, _ = next_token_pairs(teacher_logits, targets)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# %% check="train_step" points=6
check(train_step)

# %% [markdown]
# ## Test it on one batch
#
# A good first test of any training step: give it the same small batch again and again. It must be able to learn that by
# heart. If the loss does not fall, the fault is in the step, and you know it after seconds.
#
# **Predict first.** You train twice on four rows, once with α = 0 (labels only) and once with α = 1 (teacher only).
# Which loss can reach 0, and which can only come near it? And which one starts higher? (With α = 1 the loss is T² · KL
# at T = 3.)

# %%
few = {name: part[:4] for name, part in next(iter(load_batches("tiny")[0])).items()}


def learn_by_heart(alpha, steps=40):
    """The losses of a tiny student that gets the same four rows at every step."""
    pupil = load_student("tiny").train()
    optimizer = torch.optim.AdamW(pupil.parameters(), lr=1e-2)
    return [train_step(pupil, freeze(restless), few, optimizer, 3.0, alpha) for _ in range(steps)]


# %%
by_heart = {f"{who} only, α = {alpha}": learn_by_heart(alpha) for who, alpha in {"labels": 0.0, "teacher": 1.0}.items()}

# %%
ends = ", ".join(f"with {name} from {losses[0]:.2f} to {losses[-1]:.2f}" for name, losses in by_heart.items())
figure, axes = plt.subplots(figsize=(7, 3.2))
lines(axes, range(1, 41), by_heart)
axes.set(xlabel="step, always on the same four rows", ylabel="loss (nats a token)")
axes.set_ylim(bottom=0)
show(figure, alt=f"Two falling curves over 40 steps on one batch: {ends} nats a token.")

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# Both fall, so the step learns. On a single batch the loss with α = 1 can reach 0, by doing exactly what the teacher
# does. With α = 0 it can come near 0, by learning the rows by heart: only the first word of a row cannot be known,
# since the rows all begin with the same token and go on differently. On fresh text that is different. There the labels
# cannot be known in advance, and the loss with α = 0 stays above the entropy of the language; the loss with α = 1 may
# still go to 0.
#
# The heights cannot be compared: one is a cross-entropy, the other a KL divergence times T². A lower curve is not a
# better student.
#
# </details>

# %% [markdown]
# ## What a loop without a shift teaches
#
# The textbook's loop never shifts: it compares the scores at place s with the token at place s. **Predict first.** You
# train one tiny student that way, on labels alone, and another one with the shift, 60 steps each. Which loss is lower
# at the end? Then both continue "Mia felt". What does each one say?


# %%
def labels_only(shift, steps=60):
    """A tiny student trained on hard labels, with the shift or without, and its losses."""
    pupil, losses = load_student("tiny").train(), []
    optimizer = torch.optim.AdamW(pupil.parameters(), lr=1e-2)
    for _, batch in zip(range(steps), load_batches("tiny")[0], strict=False):
        pair = pupil(**batch).logits, make_labels(batch["input_ids"], batch["attention_mask"])
        scores, targets = next_token_pairs(*pair) if shift else pair
        loss = F.cross_entropy(scores.flatten(0, 1), targets.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return pupil.eval(), losses


# %%
def likeliest(model, prompt, tier=None, count=3):
    """The likeliest next tokens after a prompt, with their probabilities."""
    words = load_tokenizer(tier)
    device = next(model.parameters()).device
    with torch.inference_mode():
        scores = model(**words(prompt, return_tensors="pt").to(device)).logits[0, -1]
    best = scores.float().softmax(dim=-1).topk(count)
    return {words.decode([token]): p for token, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)}


# %%
for name, shift in {"without the shift": False, "with the shift": True}.items():
    pupil, losses = labels_only(shift)
    said = ", ".join(f"{word} {p:.2f}" for word, p in likeliest(pupil, "Mia felt", "tiny").items())
    print(f"{name:18} last loss {losses[-1]:.3f} nats; after “Mia felt” comes: {said}")

# %% [markdown]
# <details><summary>What this shows</summary>
#
# Without the shift the loss falls far below the entropy of the language, which no honest model can reach. That alone is
# a warning: **a loss that is too good is a fault**. The student has learned to repeat the word that it has just read.
#
# In the textbook's loop the soft term pulls the other way, as teacher and student are compared at the same place and
# that needs no shift. So its two terms fight each other, and the loss still falls.
#
# </details>

# %% [markdown]
# ## The run
#
# Now the real thing, on the tier's text. A run may be cut off: by you, by a closing lid, by a service that takes its
# GPU back. So it writes a *checkpoint* now and then: the student's weights, the optimizer's running means, the state of
# the random numbers, the step. All of these are needed to go on as if nothing had happened.
#
# - **Interrupt it** while it runs (the ■ button). The step that has begun is finished and a checkpoint is written.
# - **Run the cell again**, and it goes on from there.
# - A checkpoint remembers what a wrong `train_step` did. After you change that function, set `start_again = True`.

# %%
start_again = False
checkpoint = Path("checkpoints") / f"{settings.name}_student.safetensors"
graded = "NBGRADER_EXECUTION" in os.environ  # the grader judges functions; it only tries the run
steps = 20 if graded else settings.steps
training, _ = load_batches()
batches = [{name: part.to(device) for name, part in batch.items()} for batch in training]
print(f"{steps} steps of {settings.batch_size} rows; {len(batches)} batches, over and over")


# %%
def run(student, steps):
    """Train the student, from its checkpoint on where there is one; return the loss of every step."""
    T, alpha = settings.temperature, settings.alpha
    kept = {"tier": settings.name, "steps": steps, "temperature": T, "alpha": alpha}
    optimizer = torch.optim.AdamW(student.train().parameters(), lr=settings.learning_rate)
    done, losses = load_checkpoint(checkpoint, student, optimizer, settings=kept) or (0, [])
    with LiveCurve("Distillation", steps, done=losses) as live, interrupt_waits() as stop:
        for step in range(done, steps):
            batch = batches[step % len(batches)]
            live.add(train_step(student, teacher, batch, optimizer, T, alpha))
            if stop() or (step + 1) % 50 == 0 or step + 1 == steps:
                now = {"step": step + 1, "losses": live.losses}
                save_checkpoint(checkpoint, student, optimizer, **now, settings=kept)
            if stop():
                raise KeyboardInterrupt(f"after step {step + 1}; run the cell again to go on")
    return live.losses


# %%
if start_again:
    checkpoint.unlink(missing_ok=True)
torch.manual_seed(0)
student = load_student().to(device)
losses = run(student, steps)

# %% [markdown]
# **Predict first.** Draw the curve that you expect: loss over steps. Does it come down to 0? If not, what keeps it up?

# %%
curves = {"each step": losses, "mean of the last 20 steps": running_mean(losses)}
figure, axes = plt.subplots(figsize=(7, 3.4))
lines(axes, range(1, len(losses) + 1), curves)
floor = (1 - settings.alpha) * KnownLanguage.stories().row_entropy(settings.length)
if settings.name == "tiny":
    axes.axhline(floor, color="black", linestyle=":", label="a student that knows the whole truth")
    axes.legend(fontsize="small")
axes.set(xlabel="step", ylabel="loss (nats a token)")
axes.set_ylim(bottom=0)
last = running_mean(losses)[-1]
show(
    figure,
    alt=f"The loss over {len(losses)} steps: {losses[0]:.2f} nats a token at the first, {last:.2f} on average over the "
    "last 20. Single steps scatter around the mean.",
)

# %% [markdown]
# <details><summary>What the plot shows</summary>
#
# The soft term can go to 0, the hard term cannot: it would have to know what nobody can know, namely which of several
# likely words comes. On fresh text with entropy H the loss cannot settle below (1 − α) · H; only rows that are read
# again and again can be learned by heart. In the tiny tier H is known
# exactly, and the dotted line shows it.
#
# The curve does not say how much the teacher helped. A student trained on labels alone has a falling curve too.
#
# </details>

# %% [markdown]
# ## What the student says now
#
# One look, not a measurement. **Predict first:** the teacher's favourite word will be the student's too. What about the
# second and the third?

# %%
prompt = "Tom walked to the beach and found a" if settings.name == "tiny" else "The children went to the"
models = {"teacher": teacher, "student before": load_student().to(device), "student after": student.eval()}
words = list(likeliest(teacher, prompt, count=6))
everything = {name: likeliest(model, prompt, count=model.config.vocab_size) for name, model in models.items()}
chances = {name: [answer[word] for word in words] for name, answer in everything.items()}

# %%
figure, axes = plt.subplots(figsize=(8, 3.4))
bars(axes, words, chances)
axes.set(xlabel="next token", ylabel="probability", title=f"{prompt} …")
said = "; ".join(f"{name} {', '.join(f'{p:.2f}' for p in row)}" for name, row in chances.items())
show(figure, alt=f"Grouped bars: the probabilities of the teacher's six likeliest tokens, {', '.join(words)}. {said}.")

# %% [markdown]
# ## Self-check
#
# **1. White box and black box.** What you have just done is called *white-box* distillation. In *black-box*
# distillation the teacher is a service that returns text. (a) Which lines of your `train_step` are impossible then, and
# what is the student trained on instead? (b) What does a student miss that way, and why is it done all the same?

# %% [markdown] answer="white_and_black_box" points=2
# (a) The teacher's logits for a given text are not to be had, so neither the teacher's forward pass nor the soft term
# is possible. One lets the teacher write texts and trains the student on them with plain cross-entropy: hard labels,
# which happen to come from the teacher.
#
# (b) It sees one word at each place where white-box training shows it the probability of every word. What the teacher
# thinks of the others only shows in very many samples. It is done because the largest models can be had in no other
# way, and because teacher and student then need no common vocabulary.

# %% [markdown]
# **2. Is it the teacher?** A colleague shows you a curve like yours: "The loss fell from 3 to 1, so distillation
# works." Which run is missing before that can be said, and what must be the same in both?

# %% [markdown] answer="missing_control" points=2
# A student that learns from hard labels alone, with the same start, the same text, the same number of steps and a
# learning rate that suits it. Any training on this text makes the loss fall; only what distillation adds to that
# control is due to the teacher. Both must be measured in the same way, on text that neither has seen, as the two losses
# are different quantities. And with more than one seed, since one run may be luck.

# %% [markdown]
# ## What to take away
#
# - Freezing takes **two switches**: eval mode for what the teacher computes, `requires_grad` for what it remembers.
# - Labels come from the **attention mask**. Padding and end of text may share a token.
# - The **shift** has one place. Student and teacher get the same slice.
# - Clear, backward, step; return a number. Test a step on one batch before the run.
# - A loss that is too good is a fault. A loss that falls proves nothing about the teacher: that is lab 04.
# - A run can be cut off. Keep what it takes to go on.

# %% [markdown]
# ## Stretch goals
#
# - Train on batches of 8 rows in two halves of 4 and step once for both. Which two means do you have to keep apart when
#   the halves hold different numbers of counted tokens? Show that the step is the same as with 8 rows.
# - Interrupt the run, go on, and compare the losses with an uninterrupted run. Then leave out the random numbers' state
#   from the checkpoint: from which step on do the curves differ, and why?
# - Put the student in eval mode for the run. The tiny student has a dropout of 0.1: does it end better or worse, on
#   text that it has not seen?
# - Let the teacher be worse on purpose: divide its logits by 5 before the loss. Which α still helps?
