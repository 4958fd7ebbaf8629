"""Lab 03's misconceptions: wrong answers that people really write, each with what to tell them.

Each stands for one mistake and is otherwise right; none validates its input. Its source can stand in a student's
notebook: it uses nothing but the names of the lab's setup cell and of earlier exercises, which are made right below.
Students never see this file.
"""

import copy

import torch

from helpers.grader.course.cases import misconception
from helpers.losses import distillation_loss

STILL, SIZE, LABELS = "A teacher that holds still", "How large is a model", "From a batch to labels"
AHEAD, STEP, FREEZE = "One step ahead", "One training step", "Exercise 1: freeze"
COUNT, COPYING = "Exercise 2: count_parameters", "What a loop without a shift teaches"


# What the lab's setup cell gives, and the earlier exercises, right but for validation.

IGNORE = -100


def make_labels(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 0, IGNORE)


def next_token_pairs(logits, labels):
    return logits[:, :-1], labels[:, 1:]


# ---------------------------------------------------------------------------------------------------------- freeze


@misconception(
    "freeze",
    "You stop the gradients but leave the model in train mode: its dropout goes on. Put it in eval mode as well.",
    read=STILL,
)
def freeze_without_eval(model):
    return model.requires_grad_(False)


@misconception(
    "freeze",
    "The model is in eval mode, but its weights still ask for gradients. Eval mode does not stop those, nor does an "
    "attribute that you set on the model itself: the switch is on each weight.",
    read=STILL,
)
def freeze_eval_only(model):
    return model.eval()


@misconception("freeze", "You freeze the model and return nothing. Return the model.", read=FREEZE)
def freeze_returns_nothing(model):
    model.eval()
    model.requires_grad_(False)


@misconception(
    "freeze",
    "You freeze a copy. The model that was handed in is still loose, and now there are two of them in memory.",
    read=FREEZE,
)
def freeze_a_copy(model):
    return copy.deepcopy(model).eval().requires_grad_(False)


@misconception(
    "freeze",
    "You switch the model's parts and leave out the model itself, which stays in train mode. Call eval on the model.",
    read=STILL,
)
def freeze_only_children(model):
    for part in model.children():
        part.eval()
        part.requires_grad_(False)
    return model


@misconception(
    "freeze",
    "You freeze the matrices and leave out vectors such as biases. Every weight has to be frozen.",
    read=STILL,
)
def freeze_only_matrices(model):
    model.eval()
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.requires_grad = False
    return model


@misconception(
    "freeze",
    "You switch gradients on. The argument says whether they are wanted: False.",
    read=FREEZE,
)
def freeze_the_other_way(model):
    return model.eval().requires_grad_(True)


# ------------------------------------------------------------------------------------------------ count_parameters


@misconception(
    "count_parameters",
    "You count only weights that can be trained, so a frozen teacher has none. Count them all.",
    read=SIZE,
)
def count_trainable_only(model):
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


@misconception(
    "count_parameters",
    "You count the entries of state_dict: tied weights twice, and buffers too. Use the model's parameters.",
    read=SIZE,
)
def count_state_dict(model):
    return sum(entry.numel() for entry in model.state_dict().values())


@misconception(
    "count_parameters",
    "You count how many tensors there are, not how many numbers they hold.",
    read=COUNT,
)
def count_tensors(model):
    return len(list(model.parameters()))


@misconception("count_parameters", "You count buffers as weights. They are not trained.", read=SIZE)
def count_buffers_too(model):
    weights, buffers = model.parameters(), model.buffers()
    return sum(weight.numel() for weight in weights) + sum(buffer.numel() for buffer in buffers)


@misconception("count_parameters", "You count tied weights once for each of their names. They exist once.", read=SIZE)
def count_ties_twice(model):
    return sum(weight.numel() for _, weight in model.named_parameters(remove_duplicate=False))


@misconception(
    "count_parameters",
    "You add up the lengths of the tensors, which is only their first dimension. Use numel.",
    read=COUNT,
)
def count_first_dimension(model):
    return sum(len(weight) for weight in model.parameters())


@misconception("count_parameters", "You count bytes. The number of weights does not depend on their dtype.", read=COUNT)
def count_bytes(model):
    return sum(weight.nbytes for weight in model.parameters())


@misconception(
    "count_parameters",
    "You leave out weights with one dimension, such as biases. They are trained as well: count them.",
    read=SIZE,
)
def count_only_matrices(model):
    return sum(weight.numel() for weight in model.parameters() if weight.dim() > 1)


# ----------------------------------------------------------------------------------------------------- make_labels


@misconception("make_labels", "You return the tokens as they are, so padding is trained on.", read=LABELS)
def labels_padding_kept(input_ids, attention_mask):
    return input_ids.clone()


@misconception(
    "make_labels",
    "You recognise padding by its token, and real ends of text are lost with it. Let the attention mask decide.",
    read=LABELS,
)
def labels_masked_by_token(input_ids, attention_mask):
    return input_ids.masked_fill(input_ids == 0, IGNORE)


@misconception(
    "make_labels", "You ignore the text and keep the padding: the mask is 1 where there is text.", read=LABELS
)
def labels_mask_inverted(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 1, IGNORE)


@misconception(
    "make_labels",
    "Padding gets the label 0, which is a token like any other. The label that is not counted is -100.",
    read=LABELS,
)
def labels_padding_is_zero(input_ids, attention_mask):
    return input_ids * attention_mask


@misconception(
    "make_labels",
    "Padding gets the label -1. The label that PyTorch and these labs do not count is -100.",
    read=LABELS,
)
def labels_padding_is_minus_one(input_ids, attention_mask):
    return input_ids.masked_fill(attention_mask == 0, -1)


@misconception(
    "make_labels",
    "You write -100 into the tokens that were handed in. The model would then be asked to read token -100.",
    read="Exercise 3: make_labels",
)
def labels_in_place(input_ids, attention_mask):
    input_ids[attention_mask == 0] = IGNORE
    return input_ids


@misconception(
    "make_labels",
    "You shift here. Shifting has its own place, in the next exercise; now it would happen twice.",
    read=AHEAD,
)
def labels_shifted_already(input_ids, attention_mask):
    return make_labels(input_ids, attention_mask).roll(-1, dims=1)


@misconception(
    "make_labels",
    "You count the ones and keep that many places from the left. With padding on the left those are the wrong ones.",
    read=LABELS,
)
def labels_right_padding_assumed(input_ids, attention_mask):
    kept = torch.arange(input_ids.shape[1]) < attention_mask.sum(dim=1, keepdim=True)
    return input_ids.where(kept, torch.tensor(IGNORE))


@misconception(
    "make_labels",
    "You keep one place of padding as an end of text. The text brings its own end; all padding is left out.",
    read=LABELS,
)
def labels_keep_first_padding(input_ids, attention_mask):
    following = torch.nn.functional.pad(attention_mask, (1, 0))[:, :-1]
    return input_ids.masked_fill((attention_mask == 0) & (following == 0), IGNORE)


# ------------------------------------------------------------------------------------------------ next_token_pairs


@misconception(
    "next_token_pairs",
    "You do not shift: each place is asked for the token that it has just read.",
    read=AHEAD,
)
def pairs_unshifted(logits, labels):
    return logits, labels


@misconception(
    "next_token_pairs",
    "You shift the wrong way: each place is asked for the token before it. Drop the last scores and the first label.",
    read=AHEAD,
)
def pairs_backwards(logits, labels):
    return logits[:, 1:], labels[:, :-1]


@misconception(
    "next_token_pairs",
    "You shift by two places. If your labels are not shifted yet, one is enough.",
    read=AHEAD,
)
def pairs_shifted_twice(logits, labels):
    return logits[:, :-2], labels[:, 2:]


@misconception(
    "next_token_pairs",
    "You cut rows of the batch instead of places. The places are the second axis: [:, …].",
    read=AHEAD,
)
def pairs_cut_rows(logits, labels):
    return logits[:-1], labels[1:]


@misconception(
    "next_token_pairs",
    "You turn the labels round in a circle, so the last place is asked for the first token of its row. Cut instead.",
    read=AHEAD,
)
def pairs_rolled(logits, labels):
    return logits, labels.roll(-1, dims=1)


@misconception("next_token_pairs", "You return the labels first. Scores first, then labels.", read=AHEAD)
def pairs_swapped(logits, labels):
    return labels[:, 1:], logits[:, :-1]


@misconception(
    "next_token_pairs",
    "You cut both at the same end, so nothing is moved: each place still sits beside its own token.",
    read=AHEAD,
)
def pairs_cut_at_one_end(logits, labels):
    return logits[:, :-1], labels[:, :-1]


@misconception(
    "next_token_pairs",
    "You cut the vocabulary: with … or at the last axis, it is words that go. Places are the second axis.",
    read=AHEAD,
)
def pairs_cut_vocabulary(logits, labels):
    return logits[..., :-1], labels[..., 1:]


@misconception(
    "next_token_pairs",
    "You flatten rows and places into one. Keep (B, S - 1, V) and (B, S - 1): the loss wants rows and places.",
    read="Exercise 4: next_token_pairs",
)
def pairs_flattened(logits, labels):
    return logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()


# ------------------------------------------------------------------------------------------------------ train_step


@misconception(
    "train_step",
    "You never clear the gradients. The first step is right; from the second on, old gradients are added.",
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
    "The student's weights never move. Is step called, and are the gradients still there at that moment?",
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
    "You return the loss after the update. Due is the loss from before it, which you have already computed.",
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
    "You return a tensor, and with it the whole graph of the step, which then stays in memory. Return a plain number.",
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
    "Nothing is shifted: the student is asked for the token that it has just read, and learns to copy.",
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
    "The teacher's scores are one place away from the student's. Both get the same slice.",
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
    "Padding is trained on: your labels are the tokens themselves. Make them with make_labels.",
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
    "You recognise padding by its token, so that the student never learns where a text ends. Use the attention mask.",
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
    "You shift twice: each place is asked for the token after next. next_token_pairs shifts once, and that is all.",
    read=AHEAD,
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
    "You do not hand temperature and alpha on, so the loss always runs with its own defaults.",
    read="Exercise 5: train_step",
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
    "α and 1 − α are swapped: α = 1 is the teacher only.",
    read="Exercise 5: train_step",
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
    "You put the student in eval mode, so it trains without its dropout. Leave it in the mode in which it arrives.",
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
    "You put the teacher in train mode, so its answers change at random. It arrives frozen: leave it so.",
    read=STILL,
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
    "You clip the gradients. The step computes nothing but what the exercise names; clipping changes where it goes.",
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
    "The teacher is trained too: its weights ask for gradients again. It is frozen, and nothing may change that.",
    read=STILL,
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
    "You return the sum over the counted tokens. The loss is a mean already: return it as it is.",
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
    "Your loss is the model's own, on labels alone: the teacher is never heard.",
    read="Exercise 5: train_step",
)
def step_teacher_not_heard(student, teacher, batch, optimizer, temperature=3.0, alpha=0.5):
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    labels = make_labels(input_ids, attention_mask)
    loss = student(input_ids, attention_mask=attention_mask, labels=labels).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
