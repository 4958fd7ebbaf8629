"""Common mistakes in lab 03, each with the explanation that a student gets.

Each makes one mistake and is otherwise correct; none validates its input. Its source could be in a student's notebook:
it uses only the names of the lab's setup cell and of earlier exercises, which are defined correctly below. Students
never see this file.
"""

import copy

import torch

from helpers.grader.course.cases import misconception
from helpers.losses import distillation_loss

FROZEN, SIZE, LABELS = "A frozen teacher", "The size of a model", "From a batch to labels"
SHIFT, STEP, FREEZE = "The shift by one token", "One training step", "Exercise 1 · Freeze a model"
COUNT, COPYING = "Exercise 2 · Count the parameters", "Training without the shift"
LOOP, TRAIN = "From a step to a run", "Exercise 6 · The training loop"


# What the lab's setup cell defines, and the earlier exercises, correct except for validation.

IGNORE = -100


def make_labels(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 0, IGNORE)


def next_token_pairs(logits, labels):
    return logits[:, :-1], labels[:, 1:]


# ---------------------------------------------------------------------------------------------------------- freeze


@misconception(
    "freeze",
    "You turn off the gradients but leave the model in train mode, so dropout stays active. Call eval as well.",
    read=FROZEN,
)
def freeze_without_eval(model):
    return model.requires_grad_(False)


@misconception(
    "freeze",
    "The model is in eval mode, but its weights still require gradients. Neither eval mode nor an attribute on the "
    "model itself changes that: every weight has its own switch.",
    read=FROZEN,
)
def freeze_eval_only(model):
    return model.eval()


@misconception("freeze", "You freeze the model and return nothing. Return the model.", read=FREEZE)
def freeze_returns_nothing(model):
    model.eval()
    model.requires_grad_(False)


@misconception(
    "freeze",
    "You freeze a copy. The model that you were given is not frozen, and now there are two of them in memory.",
    read=FREEZE,
)
def freeze_a_copy(model):
    return copy.deepcopy(model).eval().requires_grad_(False)


@misconception(
    "freeze",
    "You set the model's submodules but not the model itself, which stays in train mode. Call eval on the model.",
    read=FROZEN,
)
def freeze_only_children(model):
    for part in model.children():
        part.eval()
        part.requires_grad_(False)
    return model


@misconception(
    "freeze",
    "You freeze the matrices but not vectors such as biases. Freeze every weight.",
    read=FROZEN,
)
def freeze_only_matrices(model):
    model.eval()
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.requires_grad = False
    return model


@misconception(
    "freeze",
    "You turn the gradients on. Pass False to requires_grad_ to turn them off.",
    read=FREEZE,
)
def freeze_the_other_way(model):
    return model.eval().requires_grad_(True)


# ------------------------------------------------------------------------------------------------ count_parameters


@misconception(
    "count_parameters",
    "You count only trainable weights, so a frozen teacher has none. Frozen weights still count.",
    read=SIZE,
)
def count_trainable_only(model):
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


@misconception(
    "count_parameters",
    "You count the entries of state_dict, which holds tied weights twice and buffers too. Use the method parameters.",
    read=SIZE,
)
def count_state_dict(model):
    return sum(entry.numel() for entry in model.state_dict().values())


@misconception(
    "count_parameters",
    "You count the tensors, not the numbers that they hold. Use numel.",
    read=COUNT,
)
def count_tensors(model):
    return len(list(model.parameters()))


@misconception("count_parameters", "You count buffers too. They are not trained, so they are not weights.", read=SIZE)
def count_buffers_too(model):
    weights, buffers = model.parameters(), model.buffers()
    return sum(weight.numel() for weight in weights) + sum(buffer.numel() for buffer in buffers)


@misconception("count_parameters", "You count a tied weight once for each of its names. It exists once.", read=SIZE)
def count_ties_twice(model):
    return sum(weight.numel() for _, weight in model.named_parameters(remove_duplicate=False))


@misconception(
    "count_parameters",
    "You add up the lengths of the tensors, but a length is only the first dimension. Use numel.",
    read=COUNT,
)
def count_first_dimension(model):
    return sum(len(weight) for weight in model.parameters())


@misconception("count_parameters", "You count bytes. Count weights, whatever their dtype.", read=COUNT)
def count_bytes(model):
    return sum(weight.nbytes for weight in model.parameters())


@misconception(
    "count_parameters",
    "You leave out one-dimensional weights such as biases. They count too.",
    read=SIZE,
)
def count_only_matrices(model):
    return sum(weight.numel() for weight in model.parameters() if weight.dim() > 1)


# ----------------------------------------------------------------------------------------------------- make_labels


@misconception(
    "make_labels",
    "You return the tokens unchanged, so the student is trained on padding. Padding gets the label -100.",
    read=LABELS,
)
def labels_padding_kept(input_ids, attention_mask):
    return input_ids.clone()


@misconception(
    "make_labels",
    "You mask padding by token id, so you also mask the real end-of-text tokens. Use the attention mask.",
    read=LABELS,
)
def labels_masked_by_token(input_ids, attention_mask):
    return input_ids.masked_fill(input_ids == 0, IGNORE)


@misconception(
    "make_labels",
    "Your mask is inverted: text gets -100 and padding is kept. The attention mask is 1 for text.",
    read=LABELS,
)
def labels_mask_inverted(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 1, IGNORE)


@misconception(
    "make_labels",
    "You give padding the label 0, which is an ordinary token. The label that the loss ignores is -100.",
    read=LABELS,
)
def labels_padding_is_zero(input_ids, attention_mask):
    return input_ids * attention_mask


@misconception(
    "make_labels",
    "You give padding the label -1. The label that PyTorch and these labs ignore is -100.",
    read=LABELS,
)
def labels_padding_is_minus_one(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 0, -1)


@misconception(
    "make_labels",
    "You write -100 into the input tokens, and the model cannot read a token -100. Create a new tensor.",
    read="Exercise 3 · Labels from a batch",
)
def labels_in_place(input_ids, attention_mask):
    input_ids[attention_mask == 0] = IGNORE
    return input_ids


@misconception(
    "make_labels",
    "You shift the labels here. The next exercise does that; now they would be shifted twice.",
    read=SHIFT,
)
def labels_shifted_already(input_ids, attention_mask):
    return make_labels(input_ids, attention_mask).roll(-1, dims=1)


@misconception(
    "make_labels",
    "You count the ones and keep that many positions from the left. With padding on the left, this is wrong.",
    read=LABELS,
)
def labels_right_padding_assumed(input_ids, attention_mask):
    kept = torch.arange(input_ids.shape[1]) < attention_mask.sum(dim=1, keepdim=True)
    return input_ids.where(kept, torch.tensor(IGNORE))


@misconception(
    "make_labels",
    "You keep the first padding token as an end of text. The text has its own; mask all padding.",
    read=LABELS,
)
def labels_keep_first_padding(input_ids, attention_mask):
    following = torch.nn.functional.pad(attention_mask, (1, 0))[:, :-1]
    return input_ids.masked_fill((attention_mask == 0) & (following == 0), IGNORE)


# ------------------------------------------------------------------------------------------------ next_token_pairs


@misconception(
    "next_token_pairs",
    "You do not shift: at each position the model is asked for the token that it has just read.",
    read=SHIFT,
)
def pairs_unshifted(logits, labels):
    return logits, labels


@misconception(
    "next_token_pairs",
    "You shift the wrong way, and pair each position with the token before it. Drop the last logits and first label.",
    read=SHIFT,
)
def pairs_backwards(logits, labels):
    return logits[:, 1:], labels[:, :-1]


@misconception(
    "next_token_pairs",
    "You shift by two positions. The labels are not shifted yet, so shift by one.",
    read=SHIFT,
)
def pairs_shifted_twice(logits, labels):
    return logits[:, :-2], labels[:, 2:]


@misconception(
    "next_token_pairs",
    "You cut rows of the batch. The positions are on the second axis: [:, …].",
    read=SHIFT,
)
def pairs_cut_rows(logits, labels):
    return logits[:-1], labels[1:]


@misconception(
    "next_token_pairs",
    "You roll the labels, so the last position is paired with the first token of its row. Slice instead.",
    read=SHIFT,
)
def pairs_rolled(logits, labels):
    return logits, labels.roll(-1, dims=1)


@misconception("next_token_pairs", "You return the labels first. Return the logits first, then the labels.", read=SHIFT)
def pairs_swapped(logits, labels):
    return labels[:, 1:], logits[:, :-1]


@misconception(
    "next_token_pairs",
    "You cut logits and labels at the same end, so each position is still paired with its own token.",
    read=SHIFT,
)
def pairs_cut_at_one_end(logits, labels):
    return logits[:, :-1], labels[:, :-1]


@misconception(
    "next_token_pairs",
    "You cut the last axis, which is the vocabulary. The positions are on the second axis: [:, …].",
    read=SHIFT,
)
def pairs_cut_vocabulary(logits, labels):
    return logits[..., :-1], labels[..., 1:]


@misconception(
    "next_token_pairs",
    "You merge rows and positions into one axis. Return (B, S - 1, V) and (B, S - 1), as the loss expects.",
    read="Exercise 4 · Align logits and labels",
)
def pairs_flattened(logits, labels):
    return logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()


# ------------------------------------------------------------------------------------------------------ train_step


@misconception(
    "train_step",
    "You never clear the gradients. The first step is right, but from the second on the old gradients are added.",
    read=STEP,
)
def step_zero_grad_missing(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "The student's weights never change. Do you call step, and do the gradients still exist when you call it?",
    read=STEP,
)
def step_never_moves(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "You return the loss after the update. Return the loss from before it, which you have already computed.",
    read=STEP,
)
def step_loss_after_update(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    def loss_now():
        input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
        labels = make_labels(input_ids, attention_mask)
        student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
        teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
        return distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)

    optimizer.zero_grad()
    loss_now().backward()
    optimizer.step()
    return loss_now().item()


@misconception(
    "train_step",
    "You return a tensor, which keeps the whole computation graph in memory. Return a plain number with item.",
    read=STEP,
)
def step_returns_tensor(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


@misconception(
    "train_step",
    "You do not shift: the student is asked for the token that it has just read, and learns to copy.",
    read=COPYING,
)
def step_unshifted(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    student_logits = student(input_ids, attention_mask=attention_mask).logits
    teacher_logits = teacher(input_ids, attention_mask=attention_mask).logits
    labels = make_labels(input_ids, attention_mask)
    loss = distillation_loss(student_logits, teacher_logits, labels, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "The teacher's logits are one position away from the student's. Give both the same slice.",
    read=STEP,
)
def step_teacher_not_aligned(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits = teacher(input_ids, attention_mask=attention_mask).logits[:, 1:]
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "The student is trained on padding: your labels are the tokens themselves. Use make_labels.",
    read=LABELS,
)
def step_padding_counted(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, input_ids)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, input_ids)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "You mask padding by token id, so the student never learns where a text ends. Use the attention mask.",
    read=LABELS,
)
def step_ends_not_learned(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = input_ids.masked_fill(input_ids == 0, IGNORE)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "You shift twice: each position is asked for the token after the next. Shift only in next_token_pairs.",
    read=SHIFT,
)
def step_shifted_twice(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)[:, 1:]
    student_logits = student(input_ids, attention_mask=attention_mask).logits[:, :-1]
    teacher_logits = teacher(input_ids, attention_mask=attention_mask).logits[:, :-1]
    student_logits, aligned = next_token_pairs(student_logits, labels)
    teacher_logits, _ = next_token_pairs(teacher_logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "You do not pass temperature and alpha on, so the loss always uses its own defaults.",
    read="Exercise 5 · The training step",
)
def step_settings_ignored(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "You swap α and 1 − α: with α = 1 the student learns from the teacher only.",
    read="Exercise 5 · The training step",
)
def step_alpha_swapped(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, 1 - alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "You put the student in eval mode, so it trains without dropout. Leave it in the mode in which it arrives.",
    read=STEP,
)
def step_student_in_eval_mode(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    student.eval()
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "You put the teacher in train mode, so its predictions change at random. It arrives frozen; leave it frozen.",
    read=FROZEN,
)
def step_teacher_in_train_mode(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    student.train()
    teacher.train()
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "You clip the gradients, which changes the update. Do only what the exercise lists.",
    read=STEP,
)
def step_clips_gradients(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(student.parameters(), 0.1)
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "You unfreeze the teacher: its weights require gradients again. It arrives frozen; leave it frozen.",
    read=FROZEN,
)
def step_unfreezes_teacher(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    teacher.requires_grad_(True)
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train_step",
    "You return a sum over the counted tokens. The loss is already a mean; return it unchanged.",
    read=STEP,
)
def step_returns_a_sum(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item() * (aligned != IGNORE).sum().item()


@misconception(
    "train_step",
    "You use the model's own loss, on hard labels only, so the teacher has no effect. Use distillation_loss.",
    read="Exercise 5 · The training step",
)
def step_teacher_not_heard(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    loss = student(input_ids, attention_mask=attention_mask, labels=labels).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# ----------------------------------------------------------------------------------------------------------- train


def freeze(model):
    return model.eval().requires_grad_(False)


def train_step(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    student_logits, aligned = next_token_pairs(student(input_ids, attention_mask=attention_mask).logits, labels)
    with torch.no_grad():
        teacher_logits, _ = next_token_pairs(teacher(input_ids, attention_mask=attention_mask).logits, labels)
    loss = distillation_loss(student_logits, teacher_logits, aligned, temperature, alpha)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@misconception(
    "train",
    "You go through the batches only once. Either the loop over epochs is missing, or you loop over an iterator, which "
    "is used up after one pass.",
    read=LOOP,
)
def train_one_epoch_only(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    return [train_step(student, teacher, batch, optimizer, temperature, alpha) for batch in batches]


@misconception("train", "Your return is inside the loop, so training ends after the first step.", read=TRAIN)
def train_returns_in_the_loop(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    losses = []
    for _ in range(epochs):
        for batch in batches:
            losses.append(train_step(student, teacher, batch, optimizer, temperature, alpha))
            return losses


@misconception(
    "train",
    "You return one loss per epoch, that of its last step. Return the loss of every step.",
    read=TRAIN,
)
def train_last_loss_of_each_epoch(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    losses = []
    for _ in range(epochs):
        for batch in batches:
            loss = train_step(student, teacher, batch, optimizer, temperature, alpha)
        losses.append(loss)
    return losses


@misconception(
    "train",
    "You return the mean loss of each epoch. The mean hides what happens within an epoch: return the loss of every "
    "step.",
    read=TRAIN,
)
def train_mean_of_each_epoch(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    means = []
    for _ in range(epochs):
        losses = [train_step(student, teacher, batch, optimizer, temperature, alpha) for batch in batches]
        means.append(sum(losses) / len(losses))
    return means


@misconception(
    "train",
    "You start a new list of losses in every epoch, so only the last epoch is left. Create the list before the loops.",
    read=TRAIN,
)
def train_losses_start_again(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    for _ in range(epochs):
        losses = [train_step(student, teacher, batch, optimizer, temperature, alpha) for batch in batches]
    return losses


@misconception(
    "train",
    "Your loops are nested the wrong way round: each batch is repeated before the next one is read. An epoch is a pass "
    "over all batches.",
    read=LOOP,
)
def train_batches_outside(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    return [
        train_step(student, teacher, batch, optimizer, temperature, alpha) for batch in batches for _ in range(epochs)
    ]


@misconception(
    "train",
    "You do not pass temperature and alpha on, so train_step always uses its own defaults.",
    read=TRAIN,
)
def train_settings_ignored(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    return [train_step(student, teacher, batch, optimizer) for _ in range(epochs) for batch in batches]


@misconception(
    "train",
    "You leave the student in the mode in which it arrives. In eval mode it trains without its dropout: call train "
    "first.",
    read=LOOP,
)
def train_student_left_in_eval_mode(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    return [
        train_step(student, teacher, batch, optimizer, temperature, alpha) for _ in range(epochs) for batch in batches
    ]


@misconception(
    "train",
    "You do not freeze the teacher, and it may arrive unfrozen: its dropout then makes the targets noisy.",
    read=FROZEN,
)
def train_teacher_not_frozen(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    student.train()
    return [
        train_step(student, teacher, batch, optimizer, temperature, alpha) for _ in range(epochs) for batch in batches
    ]


@misconception("train", "You return the sum of the losses. Return a list with the loss of every step.", read=TRAIN)
def train_sum_of_losses(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    return sum(
        train_step(student, teacher, batch, optimizer, temperature, alpha) for _ in range(epochs) for batch in batches
    )


@misconception("train", "You train and return nothing. Return the list of losses.", read=TRAIN)
def train_returns_nothing(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    for _ in range(epochs):
        for batch in batches:
            train_step(student, teacher, batch, optimizer, temperature, alpha)


@misconception(
    "train",
    "You train in a different order from the one given, last batch first. Go through `batches` from front to back.",
    read=LOOP,
)
def train_batches_reversed(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    return [
        train_step(student, teacher, batch, optimizer, temperature, alpha)
        for _ in range(epochs)
        for batch in reversed(batches)
    ]


@misconception(
    "train",
    "You train one epoch too few: range(1, epochs) has epochs − 1 numbers.",
    read=TRAIN,
)
def train_one_epoch_too_few(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    return [
        train_step(student, teacher, batch, optimizer, temperature, alpha)
        for _ in range(1, epochs)
        for batch in batches
    ]


@misconception(
    "train",
    "You leave out the last batch of each epoch. A smaller batch counts too.",
    read=LOOP,
)
def train_last_batch_dropped(student, teacher, batches, optimizer, epochs=1, temperature=3.0, alpha=0.5):
    freeze(teacher)
    student.train()
    return [
        train_step(student, teacher, batch, optimizer, temperature, alpha)
        for _ in range(epochs)
        for batch in batches[: max(1, len(batches) - 1)]
    ]


# What each letter of a quiz means.
QUIZZES = {
    "end_of_text": {
        "A": "It would not stop early: end-of-text tokens never count, so nothing makes them more likely.",
        "B": "Right. No position is ever trained to predict the end of a text, so the student has no reason to stop.",
        "C": "The end-of-text token tells whoever generates where to stop. It carries a lot of meaning.",
    },
    "how_often": {
        "A": "A step reads a batch of 8 rows, not one row: 300 steps read 2,400 rows.",
        "B": "Right. 300 rows make 38 batches, and 300 steps go through them about eight times: eight epochs.",
        "C": "Each step reads 8 of the 300 rows, so a row comes up once per epoch of 38 steps.",
    },
    "climbing_loss": {
        "A": "A student that overfits has a training loss that falls. Here it rises on the training rows too.",
        "B": "Right. The first step is as always. From the second on, the old gradients push in stale directions.",
        "C": "Without its dropout the student still learns, and the loss falls.",
        "D": "Without the shift the loss falls far too low, since copying is easier than predicting.",
    },
}
