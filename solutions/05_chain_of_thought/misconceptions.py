"""Lab 05's misconceptions: wrong answers that students really write, each with its diagnosis.

Each stands for one mistake and is otherwise right. Its source can stand in a student's notebook: it uses nothing but
the names of the lab's setup cell and of earlier exercises, which are made right below. Students never see this file.
"""

import re

import torch
from torch.nn.utils.rnn import pad_sequence

from helpers.grader.course.cases import misconception
from helpers.labels import next_token_pairs
from helpers.losses import hard_loss

FORM, LUCK, MASK = "The form of a trace", "Right for the wrong reasons", "What the student is trained on"
ANSWER, STEPS = "Exercise 1 · Read the answer", "Exercise 2 · Check the steps"
KEEP, FILTER = "Exercise 3 · Keep or discard a trace", "Exercise 4 · Filter a set of traces"
SHORT, EXAMPLE = "Exercise 5 · Compact traces", "Exercise 6 · Make a training example"
ROWS, ARM = "From examples to a student", "Exercise 7 · Train one arm"


# What the lab's setup cell gives, and the earlier exercises.

IGNORE = -100
EQUATION = r"(-?\d+) ([-+*/]) (-?\d+) = (-?\d+)"


def extract_answer(trace):
    found = re.match(r"\s*(-?\d[\d,]*)", trace.split("####")[-1]) if "####" in trace else None
    return int(found[1].replace(",", "")) if found else None


def verify_steps(trace):
    found = re.findall(EQUATION, trace)
    return bool(found) and all(_true(*equation) for equation in found)


def _true(a, op, b, c):
    a, b, c = int(a), int(b), int(c)
    if op == "/":
        return b != 0 and a == b * c
    return c == {"+": a + b, "-": a - b, "*": a * b}[op]


def keep_trace(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(found) <= 8 and len(set(found)) == len(found)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


# ------------------------------------------------------------------------------------------------ extract_answer


@misconception(
    "extract_answer",
    "You take the first number of the trace, which comes from the question. The answer follows the last ####.",
    read=FORM,
)
def answer_first_number(trace):
    found = re.search(r"-?\d[\d,]*", trace)
    return int(found[0].replace(",", "")) if found else None


@misconception(
    "extract_answer",
    "You take the last number of the trace, whether or not #### comes before it. A trace that was cut off has no "
    "answer: return None.",
    read=FORM,
)
def answer_last_number(trace):
    found = re.findall(r"-?\d[\d,]*", trace)
    return int(found[-1].replace(",", "")) if found else None


@misconception("extract_answer", "You use the first ####. If there are two, the last one counts.", read=FORM)
def answer_first_marker(trace):
    found = re.search(r"####\s*(-?\d[\d,]*)", trace)
    return int(found[1].replace(",", "")) if found else None


@misconception(
    "extract_answer",
    "You look for the last #### with a number. If no number follows the very last ####, there is no answer.",
    read=FORM,
)
def answer_of_an_earlier_marker(trace):
    found = re.findall(r"####\s*(-?\d[\d,]*)", trace)
    return int(found[-1].replace(",", "")) if found else None


@misconception(
    "extract_answer", "You stop at the comma, so 1,250 becomes 1. Match the commas too, then remove them.", read=FORM
)
def answer_stops_at_comma(trace):
    found = re.findall(r"####\s*(-?\d+)", trace)
    return int(found[-1]) if found and trace.rstrip()[-1] != "#" else None


@misconception("extract_answer", "You lose the minus sign of a negative answer.", read=FORM)
def answer_loses_minus(trace):
    if "####" not in trace:
        return None
    found = re.search(r"\d[\d,]*", trace.split("####")[-1])
    return int(found[0].replace(",", "")) if found else None


@misconception(
    "extract_answer",
    "You return the answer as text, which never equals a number. Convert it with int().",
    read=ANSWER,
)
def answer_as_text(trace):
    found = re.match(r"\s*(-?\d[\d,]*)", trace.split("####")[-1]) if "####" in trace else None
    return found[1].replace(",", "") if found else None


@misconception(
    "extract_answer",
    "You return 0 if there is no answer. 0 can be a right answer, so return None.",
    read=ANSWER,
)
def answer_zero_for_none(trace):
    found = re.match(r"\s*(-?\d[\d,]*)", trace.split("####")[-1]) if "####" in trace else None
    return int(found[1].replace(",", "")) if found else 0


@misconception(
    "extract_answer",
    "You return the result of the last equation. The answer's own line counts, and it can be different.",
    read=FORM,
)
def answer_last_result(trace):
    found = re.findall(r"= (-?\d+)", trace)
    return int(found[-1]) if found else None


@misconception(
    "extract_answer",
    "You join the digits of all answers into one number. Only the last answer counts.",
    read=FORM,
)
def answer_all_digits(trace):
    digits = "".join(re.findall(r"####\s*(-?[\d,]+)", trace)).replace(",", "")
    return int(digits) if re.fullmatch(r"-?\d+", digits) else None


# -------------------------------------------------------------------------------------------------- verify_steps


@misconception(
    "verify_steps",
    "You only test whether there are equations, not whether they hold. Compute each of them.",
    read=STEPS,
)
def steps_unread(trace):
    return bool(re.findall(EQUATION, trace))


@misconception(
    "verify_steps",
    "You return True for a trace without steps, because all([]) is True. Such a trace shows no reasoning.",
    read=STEPS,
)
def steps_none_accepted(trace):
    return all(_true(*equation) for equation in re.findall(EQUATION, trace))


@misconception(
    "verify_steps", "You check only the first equation, because re.search stops there. Check them all.", read=STEPS
)
def steps_first_only(trace):
    found = re.search(EQUATION, trace)
    return bool(found) and _true(*found.groups())


@misconception("verify_steps", "You check only the last equation. A mistake before it counts too.", read=STEPS)
def steps_last_only(trace):
    found = re.findall(EQUATION, trace)
    return bool(found) and _true(*found[-1])


@misconception(
    "verify_steps", "You accept a trace if any equation holds. Every equation must hold: use all, not any.", read=STEPS
)
def steps_any(trace):
    return any(_true(*equation) for equation in re.findall(EQUATION, trace))


@misconception(
    "verify_steps",
    "You divide with //, which drops the remainder, so 7 / 2 = 3 passes. A division must leave no remainder.",
    read=STEPS,
)
def steps_floor_division(trace):
    results = []
    for a, op, b, c in re.findall(EQUATION, trace):
        a, b, c = int(a), int(b), int(c)
        if op == "/":
            results.append(b != 0 and a // b == c)
        else:
            results.append(c == {"+": a + b, "-": a - b, "*": a * b}[op])
    return bool(results) and all(results)


@misconception(
    "verify_steps",
    "You check only + and -, so wrong products and quotients pass. There are four operators.",
    read=STEPS,
)
def steps_two_signs(trace):
    found = re.findall(EQUATION, trace)
    return bool(found) and all(_true(*equation) for equation in found if equation[1] in "+-")


@misconception(
    "verify_steps",
    r"You read one digit per number, because \d matches a single digit. Use \d+.",
    read=STEPS,
)
def steps_single_digits(trace):
    found = re.findall(r"(-?\d) ([-+*/]) (-?\d) = (-?\d)", trace)
    return bool(found) and all(_true(*equation) for equation in found)


@misconception(
    "verify_steps",
    "Your pattern has no minus sign, so negative numbers lose it or are not found. Allow -? before each number.",
    read=STEPS,
)
def steps_without_minus(trace):
    found = re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)", trace)
    return bool(found) and all(_true(*equation) for equation in found)


@misconception(
    "verify_steps",
    "You expect an equation in every line. A line without one is not a step. Ignore it.",
    read=STEPS,
)
def steps_every_line(trace):
    lines = trace.split("\n")[:-1]
    found = [re.search(EQUATION, line) for line in lines]
    return bool(lines) and all(match is not None and _true(*match.groups()) for match in found)


@misconception(
    "verify_steps",
    "You only compare the last result with the answer. A trace can reach the right answer after a wrong step.",
    read=LUCK,
)
def steps_last_result_is_answer(trace):
    found = re.findall(EQUATION, trace)
    return bool(found) and extract_answer(trace) == int(found[-1][3])


@misconception(
    "verify_steps",
    "Your pattern does not contain /, so divisions are ignored. There are four operators.",
    read=STEPS,
)
def steps_no_division(trace):
    found = re.findall(r"(-?\d+) ([-+*]) (-?\d+) = (-?\d+)", trace)
    return bool(found) and all(_true(*equation) for equation in found)


@misconception(
    "verify_steps",
    "You reject negative results. A difference may be negative.",
    read=FORM,
)
def steps_below_zero_refused(trace):
    found = re.findall(EQUATION, trace)
    return bool(found) and all(int(equation[3]) >= 0 and _true(*equation) for equation in found)


# ---------------------------------------------------------------------------------------------------- keep_trace


@misconception(
    "keep_trace",
    "You check only the answer. A right answer can follow wrong steps, or none, and the student would learn that.",
    read=LUCK,
)
def keep_answer_only(problem, trace):
    return extract_answer(trace) == problem["answer"]


@misconception(
    "keep_trace",
    "You check only the steps. Steps can hold and lead to the wrong answer, so compare the answer too.",
    read=LUCK,
)
def keep_steps_only(problem, trace):
    found = re.findall(EQUATION, trace)
    return verify_steps(trace) and len(found) <= 8 and len(set(found)) == len(found)


@misconception(
    "keep_trace",
    "You keep an answer without steps: if there is no equation, none fails. Require at least one step.",
    read=LUCK,
)
def keep_without_steps(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(found) <= 8 and len(set(found)) == len(found)
    return short and extract_answer(trace) == problem["answer"] and all(_true(*equation) for equation in found)


@misconception("keep_trace", "You keep a trace in which an equation occurs twice: it goes round in circles.", read=KEEP)
def keep_repeats(problem, trace):
    few = len(re.findall(EQUATION, trace)) <= 8
    return few and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception("keep_trace", "You do not limit the number of steps. Keep traces of at most 8.", read=KEEP)
def keep_any_length(problem, trace):
    found = re.findall(EQUATION, trace)
    return len(set(found)) == len(found) and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception("keep_trace", "You discard traces of exactly 8 steps. At most 8 includes 8.", read=KEEP)
def keep_fewer_than_eight(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(found) < 8 and len(set(found)) == len(found)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You count lines. Neither the answer's line nor a line of words is a step. Count equations.",
    read=KEEP,
)
def keep_counts_lines(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(trace.split("\n")) <= 8 and len(set(found)) == len(found)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You limit the length of the question, or of question and trace together. Limit the number of steps instead.",
    read=KEEP,
)
def keep_caps_prompt(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(problem["question"] + trace) <= 1000 and len(found) <= 8 and len(set(found)) == len(found)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You limit the number of characters. A long sentence is still one step. Count equations.",
    read=KEEP,
)
def keep_caps_characters(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(trace) <= 500 and len(set(found)) == len(found)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You search for the right number anywhere in the trace. Compare it with the trace's own answer.",
    read=KEEP,
)
def keep_answer_anywhere(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(found) <= 8 and len(set(found)) == len(found)
    return short and str(problem["answer"]) in trace.replace(",", "") and verify_steps(trace)


@misconception(
    "keep_trace",
    "You compare the answers as text, so 1,250 differs from 1250. Compare numbers.",
    read=KEEP,
)
def keep_compares_text(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(found) <= 8 and len(set(found)) == len(found)
    return short and trace.split("####")[-1].strip() == str(problem["answer"]) and verify_steps(trace)


@misconception(
    "keep_trace",
    "You look for repeated lines. The same equation in other words is the same step. Compare equations.",
    read=KEEP,
)
def keep_repeated_lines_only(problem, trace):
    lines, found = trace.split("\n"), re.findall(EQUATION, trace)
    short = len(found) <= 8 and len(set(lines)) == len(lines)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You compare each equation only with the one before it. It can also come back later.",
    read=KEEP,
)
def keep_neighbours_only(problem, trace):
    found = re.findall(EQUATION, trace)
    circles = any(one == other for one, other in zip(found, found[1:], strict=False))
    return not circles and len(found) <= 8 and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You discard traces in which a result occurs twice. Different equations may have the same result.",
    read=KEEP,
)
def keep_results_once(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(found) <= 8 and len({result for *_, result in found}) == len(found)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You return the answer itself, or None. Return True or False.",
    read=KEEP,
)
def keep_returns_answer(problem, trace):
    return extract_answer(trace) if keep_trace(problem, trace) else None


# ------------------------------------------------------------------------------------------------- filter_traces


@misconception(
    "filter_traces",
    "You return only the traces. A trace teaches nothing without its question. Keep the pairs.",
    read=FILTER,
)
def filter_traces_alone(problems, traces):
    return list(
        dict.fromkeys(trace for problem, trace in zip(problems, traces, strict=True) if keep_trace(problem, trace))
    )


@misconception(
    "filter_traces",
    "You keep the same trace of the same question more than once. It would count twice in training.",
    read=FILTER,
)
def filter_keeps_repeats(problems, traces):
    return [(problem, trace) for problem, trace in zip(problems, traces, strict=True) if keep_trace(problem, trace)]


@misconception(
    "filter_traces",
    "You keep only one trace per problem. Two different right traces are two ways to solve it. Keep both.",
    read=FILTER,
)
def filter_one_a_problem(problems, traces):
    kept = {}
    for problem, trace in zip(problems, traces, strict=True):
        if keep_trace(problem, trace):
            kept.setdefault(problem["question"], (problem, trace))
    return list(kept.values())


@misconception(
    "filter_traces",
    "You treat two pairs as the same because their traces are. They belong to different questions.",
    read=FILTER,
)
def filter_same_trace_once(problems, traces):
    kept = {}
    for problem, trace in zip(problems, traces, strict=True):
        if keep_trace(problem, trace):
            kept.setdefault(trace, (problem, trace))
    return list(kept.values())


@misconception(
    "filter_traces", "You return the traces that should be discarded. Your condition is inverted.", read=FILTER
)
def filter_turned_round(problems, traces):
    kept = {}
    for problem, trace in zip(problems, traces, strict=True):
        if not keep_trace(problem, trace):
            kept.setdefault((problem["question"], trace), (problem, trace))
    return list(kept.values())


@misconception(
    "filter_traces",
    "You stop at the first trace that is discarded, because break leaves the loop. Use continue.",
    read=FILTER,
)
def filter_stops(problems, traces):
    kept = {}
    for problem, trace in zip(problems, traces, strict=True):
        if not keep_trace(problem, trace):
            break
        kept.setdefault((problem["question"], trace), (problem, trace))
    return list(kept.values())


@misconception(
    "filter_traces", "Your pairs are in the wrong order. The problem comes first, then its trace.", read=FILTER
)
def filter_pairs_reversed(problems, traces):
    kept = {}
    for problem, trace in zip(problems, traces, strict=True):
        if keep_trace(problem, trace):
            kept.setdefault((problem["question"], trace), (trace, problem))
    return list(kept.values())


@misconception("filter_traces", "You filter only by the answer. Use keep_trace, which checks the steps too.", read=LUCK)
def filter_by_answer(problems, traces):
    kept = {}
    for problem, trace in zip(problems, traces, strict=True):
        if extract_answer(trace) == problem["answer"]:
            kept.setdefault((problem["question"], trace), (problem, trace))
    return list(kept.values())


@misconception(
    "filter_traces",
    "You drop every problem that has a wrong trace. Keep its right traces.",
    read=FILTER,
)
def filter_drops_problem(problems, traces):
    kept, failed = {}, set()
    for problem, trace in zip(problems, traces, strict=True):
        if not keep_trace(problem, trace):
            failed.add(problem["question"])
    for problem, trace in zip(problems, traces, strict=True):
        if problem["question"] not in failed:
            kept.setdefault((problem["question"], trace), (problem, trace))
    return list(kept.values())


@misconception(
    "filter_traces", "You return the questions as text. Keep the whole problem, with its answer.", read=FILTER
)
def filter_questions_only(problems, traces):
    kept = {}
    for problem, trace in zip(problems, traces, strict=True):
        if keep_trace(problem, trace):
            kept.setdefault((problem["question"], trace), (problem["question"], trace))
    return list(kept.values())


# ------------------------------------------------------------------------------------------------------- compact


@misconception("compact", "You drop the last step. Keep every equation of the trace.", read=SHORT)
def compact_drops_last(trace):
    steps = [match[0] for match in re.finditer(EQUATION, trace)]
    return "\n".join([*steps[:-1], trace.split("\n")[-1]])


@misconception("compact", "You drop the first step. Keep every equation of the trace.", read=SHORT)
def compact_drops_first(trace):
    steps = [match[0] for match in re.finditer(EQUATION, trace)]
    return "\n".join([*steps[1:], trace.split("\n")[-1]])


@misconception(
    "compact", "You leave out the answer's line. A student trained on this never gives an answer.", read=SHORT
)
def compact_drops_answer(trace):
    return "\n".join(match[0] for match in re.finditer(EQUATION, trace))


@misconception(
    "compact", "You keep only the answer. That would train the answer-only student. Keep the equations.", read=SHORT
)
def compact_answer_only(trace):
    return trace.split("\n")[-1]


@misconception("compact", "You keep only the results. The step is the whole equation A op B = C.", read=SHORT)
def compact_results_only(trace):
    return "\n".join([*(match[4] for match in re.finditer(EQUATION, trace)), trace.split("\n")[-1]])


@misconception("compact", "You put all equations on one line. Put each on its own line.", read=SHORT)
def compact_one_line(trace):
    return " ".join([*(match[0] for match in re.finditer(EQUATION, trace)), trace.split("\n")[-1]])


@misconception("compact", "You keep the words around the equations. Keep only the equation of each step.", read=SHORT)
def compact_keeps_words(trace):
    lines = trace.split("\n")
    return "\n".join([*(line for line in lines if re.search(EQUATION, line)), lines[-1]])


@misconception(
    "compact", "You remove the spaces inside the equations. Keep each equation exactly as it is.", read=SHORT
)
def compact_without_spaces(trace):
    steps = [match[0].replace(" ", "") for match in re.finditer(EQUATION, trace)]
    return "\n".join([*steps, trace.split("\n")[-1]])


@misconception("compact", "You sort the equations. Their order is the reasoning, so keep it.", read=SHORT)
def compact_sorted(trace):
    steps = {match[0] for match in re.finditer(EQUATION, trace)}
    return "\n".join([*sorted(steps), trace.split("\n")[-1]])


@misconception(
    "compact",
    "You write the answer without its mark ####, so extract_answer no longer finds it.",
    read=SHORT,
)
def compact_bare_answer(trace):
    steps = [match[0] for match in re.finditer(EQUATION, trace)]
    return "\n".join([*steps, trace.split("#### ")[-1]])


@misconception("compact", "You number the steps, which costs tokens and adds numbers that mean nothing.", read=SHORT)
def compact_numbered(trace):
    steps = [f"{place}. {match[0]}" for place, match in enumerate(re.finditer(EQUATION, trace), 1)]
    return "\n".join([*steps, trace.split("\n")[-1]])


@misconception("compact", "You lose the minus sign in front of a number.", read=SHORT)
def compact_loses_minus(trace):
    steps = [match[0] for match in re.finditer(r"\d+ [-+*/] \d+ = -?\d+", trace)]
    return "\n".join([*steps, trace.split("\n")[-1]])


@misconception("compact", "You drop equations that do not hold. compact does not judge: keep them all.", read=SHORT)
def compact_drops_wrong(trace):
    steps = [match[0] for match in re.finditer(EQUATION, trace) if _true(*match.groups())]
    return "\n".join([*steps, trace.split("\n")[-1]])


@misconception(
    "compact", "You drop an equation that occurs a second time. compact does not judge: keep it.", read=SHORT
)
def compact_drops_repeats(trace):
    steps = dict.fromkeys(match[0] for match in re.finditer(EQUATION, trace))
    return "\n".join([*steps, trace.split("\n")[-1]])


@misconception("compact", "You rebuild the answer's line, which loses its comma. Copy the line.", read=SHORT)
def compact_new_answer_line(trace):
    return "\n".join([*(match[0] for match in re.finditer(EQUATION, trace)), f"#### {extract_answer(trace)}"])


@misconception("compact", "Your text ends in a newline. Put newlines between the lines only.", read=SHORT)
def compact_newline_at_the_end(trace):
    found = re.findall(r"-?\d+ [-+*/] -?\d+ = -?\d+", trace)
    return "\n".join([*found, trace.splitlines()[-1]]) + "\n"


# -------------------------------------------------------------------------------------------------- make_example


@misconception(
    "make_example",
    "You tokenise question and trace together. A token can then cross the border between what is masked and what is "
    "learned. Tokenise the parts separately.",
    read=EXAMPLE,
)
def example_in_one_go(problem, trace, tokenizer):
    masked = len(tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"])
    tokens = tokenizer(f"{problem['question']}\n{trace}", add_special_tokens=False)["input_ids"]
    tokens.append(tokenizer.eos_token_id)
    return torch.tensor(tokens), torch.tensor([IGNORE] * masked + tokens[masked:])


@misconception(
    "make_example",
    "The prompt is not masked, so the student is also trained to write questions. Set the labels of question and "
    "newline to -100.",
    read=MASK,
)
def example_prompt_not_masked(problem, trace, tokenizer):
    parts = [tokenizer(part, add_special_tokens=False)["input_ids"] for part in (problem["question"], "\n", trace)]
    tokens = [*sum(parts, []), tokenizer.eos_token_id]
    return torch.tensor(tokens), torch.tensor(tokens)


@misconception(
    "make_example",
    "The end-of-text token is missing, so the student never learns to stop. Append the tokenizer's eos_token_id.",
    read=MASK,
)
def example_without_end(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = tokenizer(trace, add_special_tokens=False)["input_ids"]
    return torch.tensor(prompt + target), torch.tensor([IGNORE] * len(prompt) + target)


@misconception(
    "make_example",
    "The end-of-text token is there but masked like padding. The student has to learn to write it.",
    read=MASK,
)
def example_end_masked(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = tokenizer(trace, add_special_tokens=False)["input_ids"]
    labels = [IGNORE] * len(prompt) + target + [IGNORE]
    return torch.tensor([*prompt, *target, tokenizer.eos_token_id]), torch.tensor(labels)


@misconception("make_example", "The newline between question and trace is missing.", read=EXAMPLE)
def example_without_newline(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"], add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(prompt + target), torch.tensor([IGNORE] * len(prompt) + target)


@misconception(
    "make_example",
    "The newline after the question is not masked. It belongs to the prompt, which the student does not write.",
    read=MASK,
)
def example_newline_learned(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"], add_special_tokens=False)["input_ids"]
    target = [*tokenizer("\n" + trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(prompt + target), torch.tensor([IGNORE] * len(prompt) + target)


@misconception(
    "make_example",
    "Your labels are shifted by one. Keep each label at the position of its token: the training loop shifts, once.",
    read=MASK,
)
def example_shifted(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    labels = [IGNORE] * (len(prompt) - 1) + target + [IGNORE]
    return torch.tensor(prompt + target), torch.tensor(labels)


@misconception(
    "make_example",
    "You mask with 0, which is a token id like any other. The label that does not count is -100.",
    read=MASK,
)
def example_masked_with_zero(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(prompt + target), torch.tensor([0] * len(prompt) + target)


@misconception(
    "make_example",
    "Your input_ids contain -100 too. The student must read the question, so mask only the labels.",
    read=MASK,
)
def example_input_masked(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    labels = torch.tensor([IGNORE] * len(prompt) + target)
    return labels, labels


@misconception("make_example", "The question is missing. Put it before the trace.", read=EXAMPLE)
def example_trace_only(problem, trace, tokenizer):
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(target), torch.tensor(target)


@misconception(
    "make_example",
    "You mask every token id that occurs in the question, so numbers and names in the trace are masked too. Mask "
    "positions, not token ids.",
    read=MASK,
)
def example_masked_by_token(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    tokens = [*prompt, *tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(tokens), torch.tensor([IGNORE if token in prompt else token for token in tokens])


@misconception("make_example", "Only the answer is learned. The student should learn the steps too.", read=MASK)
def example_steps_masked(problem, trace, tokenizer):
    steps, answer = trace.split("####")
    prompt = tokenizer(problem["question"] + "\n" + steps, add_special_tokens=False)["input_ids"]
    target = [*tokenizer("####" + answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(prompt + target), torch.tensor([IGNORE] * len(prompt) + target)


@misconception(
    "make_example", "You return the two in the wrong order: input_ids come first, then labels.", read=EXAMPLE
)
def example_reversed(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor([IGNORE] * len(prompt) + target), torch.tensor(prompt + target)


@misconception(
    "make_example",
    "Your tensors have a batch dimension. One example is 1-D; batches are made later.",
    read=EXAMPLE,
)
def example_with_rows(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor([prompt + target]), torch.tensor([[IGNORE] * len(prompt) + target])


# ------------------------------------------------------------------------------------------------------ train_arm


@misconception(
    "train_arm",
    "You train on the question too: you use the tokens as labels. The labels of each example say what is learned.",
    read=MASK,
)
def arm_learns_the_question(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([ids for ids, _ in chosen], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "You pad the labels with a token, so the student is trained on padding. Pad them with -100.",
    read=ROWS,
)
def arm_learns_padding(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "You do not shift: the student is asked for the token that it has just read. Use next_token_pairs.",
    read=MASK,
)
def arm_unshifted(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(student(ids).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "You shift twice: each position is asked for the token after the next.",
    read=MASK,
)
def arm_shifted_twice(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True, padding_value=IGNORE)
        logits = student(ids).logits
        loss = hard_loss(logits[:, :-2], labels[:, 2:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "Every step trains on the first batch. Each step needs the next examples.",
    read=ARM,
)
def arm_first_batch_only(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for _ in range(steps):
        chosen = [examples[n % len(examples)] for n in range(batch_size)]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "You stop at the last example. Arms have different numbers of examples and need the same number of steps: go "
    "on with the first.",
    read=ROWS,
)
def arm_stops_after_one_pass(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for start in range(0, min(len(examples), steps * batch_size), batch_size):
        chosen = examples[start : start + batch_size]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "The last batch of a pass is smaller than the others. Fill it up with the first examples, so that every step "
    "has the same number.",
    read=ARM,
)
def arm_smaller_last_batch(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        parts = [examples[start : start + batch_size] for start in range(0, len(examples), batch_size)]
        chosen = parts[step % len(parts)]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "You never clear the gradients. The first step is right, but from the second on the old gradients are added.",
    read=ARM,
)
def arm_gradients_never_cleared(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "The student arrives in eval mode, and you leave it there, so it trains without its dropout. Call train "
    "first.",
    read=ARM,
)
def arm_student_left_in_eval_mode(student, examples, optimizer, steps, batch_size=32):
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "You leave the student in train mode. It will be examined next, and dropout would change its answers.",
    read=ARM,
)
def arm_student_left_in_train_mode(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@misconception(
    "train_arm",
    "You average the rows' own losses, so a row with one learned token counts as much as one with ten. Take the "
    "mean over all tokens that count.",
    read=ARM,
)
def arm_mean_over_rows(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True, padding_value=IGNORE)
        scores, due = next_token_pairs(student(ids).logits, labels)
        loss = torch.stack([hard_loss(one[None], row[None]) for one, row in zip(scores, due, strict=True)]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "You train on one example in each step, whatever batch_size says.",
    read=ARM,
)
def arm_one_example_a_step(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[step % len(examples)]]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "You cut all rows to the shortest one, and the end of the longer solutions is never learned. Pad instead.",
    read=ROWS,
)
def arm_cuts_to_the_shortest(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, (step + 1) * batch_size)]
        shortest = min(len(ids) for ids, _ in chosen)
        ids = torch.stack([ids[:shortest] for ids, _ in chosen])
        labels = torch.stack([labels[:shortest] for _, labels in chosen])
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "You pad on the left, so every token of a shorter row stands at another position and reads padding first. Pad "
    "on the right.",
    read=ROWS,
)
def arm_pads_on_the_left(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids.flip(0) for ids, _ in chosen], batch_first=True).flip(1)
        labels = [labels.flip(0) for _, labels in chosen]
        labels = pad_sequence(labels, batch_first=True, padding_value=IGNORE).flip(1)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses


@misconception(
    "train_arm",
    "You return the last loss. Return a list with the loss of every step.",
    read=ARM,
)
def arm_last_loss_only(student, examples, optimizer, steps, batch_size=32):
    student.train()
    losses = []
    for step in range(steps):
        chosen = [examples[n % len(examples)] for n in range(step * batch_size, (step + 1) * batch_size)]
        ids = pad_sequence([ids for ids, _ in chosen], batch_first=True)
        labels = pad_sequence([labels for _, labels in chosen], batch_first=True, padding_value=IGNORE)
        loss = hard_loss(*next_token_pairs(student(ids).logits, labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    student.eval()
    return losses[-1]


# What each letter of a quiz means.
QUIZZES = {
    "orca": {
        "A": "Right. What the teacher was asked for made the difference.",
        "B": "Nobody checked the steps one by one, so the result cannot support this.",
        "C": "It came close to ChatGPT on some tasks and stayed behind GPT-4.",
    },
    "from_logits": {
        "A": "Both were trained on selected or synthetic text. No logits of a teacher were involved.",
        "B": "Right. Gemma 2 learned from a larger model's probabilities, Llama 3.2 from the logits of larger ones.",
        "C": "Both learned from text: traces in one case, filtered and synthetic pages in the other.",
    },
    "license_first": {
        "A": "Terms of use speak of the output, not of a name in it. Removing the name changes nothing.",
        "B": "Right. If the terms forbid it, no filter helps, and the traces are money spent for nothing.",
        "C": "Whoever asked may own the text and still have agreed, in the terms of use, not to train on it.",
    },
    "whose_text": {
        "A": "Right. On-policy training corrects the student on the text that it writes itself.",
        "B": "The teacher is still needed: it scores every token that the student writes.",
        "C": "Scoring token by token needs the same tokenizer, so on-policy training makes this problem harder.",
    },
}
