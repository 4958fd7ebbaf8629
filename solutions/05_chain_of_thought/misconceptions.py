"""Lab 05's misconceptions: wrong answers that people really write, each with what to tell them.

Each stands for one mistake and is otherwise right. Its source can stand in a student's notebook: it uses nothing but
the names of the lab's setup cell and of earlier exercises, which are made right below. Students never see this file.
"""

import re

import torch

from helpers.grader.course.cases import misconception

FORM, ANSWER, STEPS = "The form of a trace", "Exercise 1: extract_answer", "Exercise 2: verify_steps"
LUCK, KEEP, FILTER = "Right for the wrong reasons", "Exercise 3: keep_trace", "Exercise 4: filter_traces"
SHORT, EXAMPLE, MASK = "Exercise 5: compact", "Exercise 6: make_example", "What the student is trained on"


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
    "You take the first number of the trace. That is a number of the question; the answer stands after the last ####.",
    read=FORM,
)
def answer_first_number(trace):
    found = re.search(r"-?\d[\d,]*", trace)
    return int(found[0].replace(",", "")) if found else None


@misconception(
    "extract_answer",
    "You take the last number of the trace, whether or not #### stands before it. A trace that was cut off has no "
    "answer: return None.",
    read=FORM,
)
def answer_last_number(trace):
    found = re.findall(r"-?\d[\d,]*", trace)
    return int(found[-1].replace(",", "")) if found else None


@misconception("extract_answer", "You take the first ####. When there are two, the last one counts.", read=FORM)
def answer_first_marker(trace):
    found = re.search(r"####\s*(-?\d[\d,]*)", trace)
    return int(found[1].replace(",", "")) if found else None


@misconception(
    "extract_answer",
    "You look for the last #### that has a number. If nothing stands after the very last one, there is no answer.",
    read=FORM,
)
def answer_of_an_earlier_marker(trace):
    found = re.findall(r"####\s*(-?\d[\d,]*)", trace)
    return int(found[-1].replace(",", "")) if found else None


@misconception(
    "extract_answer", "You stop at the comma: 1,250 becomes 1. Take the commas along, then remove them.", read=FORM
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
    "You return the answer as text. Comparing it with a number is then always false: use int().",
    read=ANSWER,
)
def answer_as_text(trace):
    found = re.match(r"\s*(-?\d[\d,]*)", trace.split("####")[-1]) if "####" in trace else None
    return found[1].replace(",", "") if found else None


@misconception(
    "extract_answer",
    "You return 0 where there is no answer. 0 can be a right answer; no answer is None.",
    read=ANSWER,
)
def answer_zero_for_none(trace):
    found = re.match(r"\s*(-?\d[\d,]*)", trace.split("####")[-1]) if "####" in trace else None
    return int(found[1].replace(",", "")) if found else 0


@misconception(
    "extract_answer",
    "You take the result of the last equation. The answer's own line decides, and it can differ from it.",
    read=FORM,
)
def answer_last_result(trace):
    found = re.findall(r"= (-?\d+)", trace)
    return int(found[-1]) if found else None


@misconception(
    "extract_answer",
    "You join the digits of all answers into one number. The last answer counts, alone.",
    read=FORM,
)
def answer_all_digits(trace):
    digits = "".join(re.findall(r"####\s*(-?[\d,]+)", trace)).replace(",", "")
    return int(digits) if re.fullmatch(r"-?\d+", digits) else None


# -------------------------------------------------------------------------------------------------- verify_steps


@misconception(
    "verify_steps",
    "You accept the arithmetic unread: you only look whether there are equations. Work each of them out.",
    read=STEPS,
)
def steps_unread(trace):
    return bool(re.findall(EQUATION, trace))


@misconception(
    "verify_steps",
    "Without any step you return True: all() of nothing is true. An answer without a step shows no reasoning.",
    read=STEPS,
)
def steps_none_accepted(trace):
    return all(_true(*equation) for equation in re.findall(EQUATION, trace))


@misconception("verify_steps", "You read the first equation only: re.search stops there. Read them all.", read=STEPS)
def steps_first_only(trace):
    found = re.search(EQUATION, trace)
    return bool(found) and _true(*found.groups())


@misconception("verify_steps", "You read the last equation only. A mistake before it counts too.", read=STEPS)
def steps_last_only(trace):
    found = re.findall(EQUATION, trace)
    return bool(found) and _true(*found[-1])


@misconception(
    "verify_steps", "One right step is enough for you. Every equation has to hold: all, not any.", read=STEPS
)
def steps_any(trace):
    return any(_true(*equation) for equation in re.findall(EQUATION, trace))


@misconception(
    "verify_steps",
    "You divide with // and so drop the remainder: 7 / 2 = 3 passes. A division must leave none.",
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
    "You read + and - only, so that products and quotients pass unread. There are four signs.",
    read=STEPS,
)
def steps_two_signs(trace):
    found = re.findall(EQUATION, trace)
    return bool(found) and all(_true(*equation) for equation in found if equation[1] in "+-")


@misconception(
    "verify_steps",
    r"You read one digit a number: \d is a single one. Of 12 + 35 = 17 you see 2 + 3 = 1 or less. Use \d+.",
    read=STEPS,
)
def steps_single_digits(trace):
    found = re.findall(r"(-?\d) ([-+*/]) (-?\d) = (-?\d)", trace)
    return bool(found) and all(_true(*equation) for equation in found)


@misconception(
    "verify_steps",
    "You read no minus sign: a result below 0 loses it or is not seen at all. Allow -? before a number.",
    read=STEPS,
)
def steps_without_minus(trace):
    found = re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)", trace)
    return bool(found) and all(_true(*equation) for equation in found)


@misconception(
    "verify_steps",
    "You ask for an equation in every line. A line of words is no step; it neither helps nor harms.",
    read=STEPS,
)
def steps_every_line(trace):
    lines = trace.split("\n")[:-1]
    found = [re.search(EQUATION, line) for line in lines]
    return bool(lines) and all(match is not None and _true(*match.groups()) for match in found)


@misconception(
    "verify_steps",
    "You only compare the last result with the answer. A trace can end in the right place after a wrong step.",
    read=LUCK,
)
def steps_last_result_is_answer(trace):
    found = re.findall(EQUATION, trace)
    return bool(found) and extract_answer(trace) == int(found[-1][3])


@misconception(
    "verify_steps",
    "You do not see divisions: the sign / is missing in your pattern. There are four signs.",
    read=STEPS,
)
def steps_no_division(trace):
    found = re.findall(r"(-?\d+) ([-+*]) (-?\d+) = (-?\d+)", trace)
    return bool(found) and all(_true(*equation) for equation in found)


@misconception(
    "verify_steps",
    "You refuse results below 0. A difference may go below 0.",
    read=FORM,
)
def steps_below_zero_refused(trace):
    found = re.findall(EQUATION, trace)
    return bool(found) and all(int(equation[3]) >= 0 and _true(*equation) for equation in found)


# ---------------------------------------------------------------------------------------------------- keep_trace


@misconception(
    "keep_trace",
    "You check the answer only. A right answer can follow wrong steps, or none; the student would learn them.",
    read=LUCK,
)
def keep_answer_only(problem, trace):
    return extract_answer(trace) == problem["answer"]


@misconception(
    "keep_trace",
    "You check the steps only. Steps can hold and lead to the wrong answer: compare it as well.",
    read=LUCK,
)
def keep_steps_only(problem, trace):
    found = re.findall(EQUATION, trace)
    return verify_steps(trace) and len(found) <= 8 and len(set(found)) == len(found)


@misconception(
    "keep_trace",
    "You keep an answer without steps: no equation fails where there is none. At least one step is due.",
    read=LUCK,
)
def keep_without_steps(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(found) <= 8 and len(set(found)) == len(found)
    return short and extract_answer(trace) == problem["answer"] and all(_true(*equation) for equation in found)


@misconception("keep_trace", "You keep a trace that uses an equation twice: it runs in circles.", read=KEEP)
def keep_repeats(problem, trace):
    few = len(re.findall(EQUATION, trace)) <= 8
    return few and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception("keep_trace", "You set no limit to the number of steps. At most 8 are kept.", read=KEEP)
def keep_any_length(problem, trace):
    found = re.findall(EQUATION, trace)
    return len(set(found)) == len(found) and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception("keep_trace", "You drop traces of exactly 8 steps. At most 8 means that 8 are allowed.", read=KEEP)
def keep_fewer_than_eight(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(found) < 8 and len(set(found)) == len(found)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You count lines. The answer's line is no step, and neither is a line of words: count equations.",
    read=KEEP,
)
def keep_counts_lines(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(trace.split("\n")) <= 8 and len(set(found)) == len(found)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You limit the length of the question, or of question and trace together. What has a limit is the number of steps.",
    read=KEEP,
)
def keep_caps_prompt(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(problem["question"] + trace) <= 1000 and len(found) <= 8 and len(set(found)) == len(found)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You limit the characters of the trace. Long sentences are not many steps: count equations.",
    read=KEEP,
)
def keep_caps_characters(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(trace) <= 500 and len(set(found)) == len(found)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You look whether the right number stands anywhere in the trace. Compare it with the answer that the trace gives.",
    read=KEEP,
)
def keep_answer_anywhere(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(found) <= 8 and len(set(found)) == len(found)
    return short and str(problem["answer"]) in trace.replace(",", "") and verify_steps(trace)


@misconception(
    "keep_trace",
    "You compare the answers as text, so that 1,250 is not 1250. Compare numbers.",
    read=KEEP,
)
def keep_compares_text(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(found) <= 8 and len(set(found)) == len(found)
    return short and trace.split("####")[-1].strip() == str(problem["answer"]) and verify_steps(trace)


@misconception(
    "keep_trace",
    "You look for lines that come twice. The same equation in other words is the same step: compare equations.",
    read=KEEP,
)
def keep_repeated_lines_only(problem, trace):
    lines, found = trace.split("\n"), re.findall(EQUATION, trace)
    short = len(found) <= 8 and len(set(lines)) == len(lines)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You compare each equation with the one before it only. It can come back later as well.",
    read=KEEP,
)
def keep_neighbours_only(problem, trace):
    found = re.findall(EQUATION, trace)
    circles = any(one == other for one, other in zip(found, found[1:], strict=False))
    return not circles and len(found) <= 8 and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You drop traces in which a result comes twice. Different equations may have the same result.",
    read=KEEP,
)
def keep_results_once(problem, trace):
    found = re.findall(EQUATION, trace)
    short = len(found) <= 8 and len({result for *_, result in found}) == len(found)
    return short and extract_answer(trace) == problem["answer"] and verify_steps(trace)


@misconception(
    "keep_trace",
    "You return the answer itself, or None, instead of True or False.",
    read=KEEP,
)
def keep_returns_answer(problem, trace):
    return extract_answer(trace) if keep_trace(problem, trace) else None


# ------------------------------------------------------------------------------------------------- filter_traces


@misconception(
    "filter_traces",
    "You return the traces alone. A trace teaches nothing without its question: keep the pairs.",
    read=FILTER,
)
def filter_traces_alone(problems, traces):
    return list(
        dict.fromkeys(trace for problem, trace in zip(problems, traces, strict=True) if keep_trace(problem, trace))
    )


@misconception(
    "filter_traces",
    "You keep the same trace of the same question more than once. It would count double in training.",
    read=FILTER,
)
def filter_keeps_repeats(problems, traces):
    return [(problem, trace) for problem, trace in zip(problems, traces, strict=True) if keep_trace(problem, trace)]


@misconception(
    "filter_traces",
    "You keep one trace a problem. Two different right traces are two ways to solve it, and both are kept.",
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
    "You take two pairs for the same because their traces are. They belong to different questions.",
    read=FILTER,
)
def filter_same_trace_once(problems, traces):
    kept = {}
    for problem, trace in zip(problems, traces, strict=True):
        if keep_trace(problem, trace):
            kept.setdefault(trace, (problem, trace))
    return list(kept.values())


@misconception(
    "filter_traces", "You return what is to be thrown away: the condition is the wrong way round.", read=FILTER
)
def filter_turned_round(problems, traces):
    kept = {}
    for problem, trace in zip(problems, traces, strict=True):
        if not keep_trace(problem, trace):
            kept.setdefault((problem["question"], trace), (problem, trace))
    return list(kept.values())


@misconception(
    "filter_traces",
    "You stop at the first trace that is not kept: break leaves the loop. Go on with the next one.",
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
    "filter_traces", "Your pairs are the wrong way round. The problem comes first, then its trace.", read=FILTER
)
def filter_pairs_reversed(problems, traces):
    kept = {}
    for problem, trace in zip(problems, traces, strict=True):
        if keep_trace(problem, trace):
            kept.setdefault((problem["question"], trace), (trace, problem))
    return list(kept.values())


@misconception(
    "filter_traces", "You filter by the answer only. Use keep_trace, which reads the steps as well.", read=LUCK
)
def filter_by_answer(problems, traces):
    kept = {}
    for problem, trace in zip(problems, traces, strict=True):
        if extract_answer(trace) == problem["answer"]:
            kept.setdefault((problem["question"], trace), (problem, trace))
    return list(kept.values())


@misconception(
    "filter_traces",
    "You drop every problem of which some trace was wrong. A right trace of it is worth keeping all the same.",
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


@misconception("compact", "You drop the last step. Every equation of the trace stays.", read=SHORT)
def compact_drops_last(trace):
    steps = [match[0] for match in re.finditer(EQUATION, trace)]
    return "\n".join([*steps[:-1], trace.split("\n")[-1]])


@misconception("compact", "You drop the first step. Every equation of the trace stays.", read=SHORT)
def compact_drops_first(trace):
    steps = [match[0] for match in re.finditer(EQUATION, trace)]
    return "\n".join([*steps[1:], trace.split("\n")[-1]])


@misconception("compact", "You leave the answer's line out. A student trained on it never gives an answer.", read=SHORT)
def compact_drops_answer(trace):
    return "\n".join(match[0] for match in re.finditer(EQUATION, trace))


@misconception("compact", "You keep the answer only: that is the answer-only student. Keep the equations.", read=SHORT)
def compact_answer_only(trace):
    return trace.split("\n")[-1]


@misconception("compact", "You keep the results only. The equation is the step: A op B = C.", read=SHORT)
def compact_results_only(trace):
    return "\n".join([*(match[4] for match in re.finditer(EQUATION, trace)), trace.split("\n")[-1]])


@misconception("compact", "You put all equations on one line. Each stands on a line of its own.", read=SHORT)
def compact_one_line(trace):
    return " ".join([*(match[0] for match in re.finditer(EQUATION, trace)), trace.split("\n")[-1]])


@misconception("compact", "You keep the words of a line. Of each step only the equation stays.", read=SHORT)
def compact_keeps_words(trace):
    lines = trace.split("\n")
    return "\n".join([*(line for line in lines if re.search(EQUATION, line)), lines[-1]])


@misconception("compact", "You remove the spaces inside the equations. They stay as they are.", read=SHORT)
def compact_without_spaces(trace):
    steps = [match[0].replace(" ", "") for match in re.finditer(EQUATION, trace)]
    return "\n".join([*steps, trace.split("\n")[-1]])


@misconception("compact", "You sort the equations. Their order is the reasoning.", read=SHORT)
def compact_sorted(trace):
    steps = {match[0] for match in re.finditer(EQUATION, trace)}
    return "\n".join([*sorted(steps), trace.split("\n")[-1]])


@misconception(
    "compact",
    "You write the answer without its mark ####. Nothing would find it again.",
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


@misconception("compact", "You drop equations that do not hold. Nothing is judged here: all of them stay.", read=SHORT)
def compact_drops_wrong(trace):
    steps = [match[0] for match in re.finditer(EQUATION, trace) if _true(*match.groups())]
    return "\n".join([*steps, trace.split("\n")[-1]])


@misconception(
    "compact", "You drop an equation that comes a second time. Nothing is judged here: it stays.", read=SHORT
)
def compact_drops_repeats(trace):
    steps = dict.fromkeys(match[0] for match in re.finditer(EQUATION, trace))
    return "\n".join([*steps, trace.split("\n")[-1]])


@misconception(
    "compact", "You write the answer's line anew, and its comma is lost. Take the line as it stands.", read=SHORT
)
def compact_new_answer_line(trace):
    return "\n".join([*(match[0] for match in re.finditer(EQUATION, trace)), f"#### {extract_answer(trace)}"])


# -------------------------------------------------------------------------------------------------- make_example


@misconception(
    "make_example",
    "You tokenise question and trace in one go. A token can then reach over the border between what is masked and what "
    "is learned: tokenise the parts apart.",
    read=EXAMPLE,
)
def example_in_one_go(problem, trace, tokenizer):
    masked = len(tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"])
    tokens = tokenizer(f"{problem['question']}\n{trace}", add_special_tokens=False)["input_ids"]
    tokens.append(tokenizer.eos_token_id)
    return torch.tensor(tokens), torch.tensor([IGNORE] * masked + tokens[masked:])


@misconception(
    "make_example",
    "The prompt is not masked: the student is also trained to write questions. Put -100 over question and newline.",
    read=MASK,
)
def example_prompt_not_masked(problem, trace, tokenizer):
    parts = [tokenizer(part, add_special_tokens=False)["input_ids"] for part in (problem["question"], "\n", trace)]
    tokens = [*sum(parts, []), tokenizer.eos_token_id]
    return torch.tensor(tokens), torch.tensor(tokens)


@misconception(
    "make_example",
    "The end of text is missing. The student never learns to stop: add the tokenizer's eos_token_id.",
    read=MASK,
)
def example_without_end(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = tokenizer(trace, add_special_tokens=False)["input_ids"]
    return torch.tensor(prompt + target), torch.tensor([IGNORE] * len(prompt) + target)


@misconception(
    "make_example",
    "The end of text is there, but masked, as if it were padding. The student has to learn to write it.",
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
    "The newline after the question is not masked. It belongs to the prompt: somebody else writes it.",
    read=MASK,
)
def example_newline_learned(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"], add_special_tokens=False)["input_ids"]
    target = [*tokenizer("\n" + trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(prompt + target), torch.tensor([IGNORE] * len(prompt) + target)


@misconception(
    "make_example",
    "Your labels are shifted by one. They stand under their own tokens here; the training loop shifts, once.",
    read=MASK,
)
def example_shifted(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    labels = [IGNORE] * (len(prompt) - 1) + target + [IGNORE]
    return torch.tensor(prompt + target), torch.tensor(labels)


@misconception(
    "make_example", "You mask with 0. That is a token like any other; the label that does not count is -100.", read=MASK
)
def example_masked_with_zero(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(prompt + target), torch.tensor([0] * len(prompt) + target)


@misconception(
    "make_example",
    "Your input_ids hold -100 as well. The student reads the question: mask the labels only.",
    read=MASK,
)
def example_input_masked(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    labels = torch.tensor([IGNORE] * len(prompt) + target)
    return labels, labels


@misconception("make_example", "The question is missing. Without it there is nothing to reason about.", read=EXAMPLE)
def example_trace_only(problem, trace, tokenizer):
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(target), torch.tensor(target)


@misconception(
    "make_example",
    "You mask every token that occurs in the question, so that the numbers and names of the trace are masked too. Mask "
    "places, not words.",
    read=MASK,
)
def example_masked_by_token(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    tokens = [*prompt, *tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(tokens), torch.tensor([IGNORE if token in prompt else token for token in tokens])


@misconception(
    "make_example", "Only the answer's number is learned. The steps are what the student is to learn.", read=MASK
)
def example_steps_masked(problem, trace, tokenizer):
    steps, answer = trace.split("####")
    prompt = tokenizer(problem["question"] + "\n" + steps, add_special_tokens=False)["input_ids"]
    target = [*tokenizer("####" + answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor(prompt + target), torch.tensor([IGNORE] * len(prompt) + target)


@misconception("make_example", "The two come back in the wrong order: input_ids first, then labels.", read=EXAMPLE)
def example_reversed(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor([IGNORE] * len(prompt) + target), torch.tensor(prompt + target)


@misconception(
    "make_example",
    "Your tensors have a row dimension in front. One example is 1-D; the batch comes later.",
    read=EXAMPLE,
)
def example_with_rows(problem, trace, tokenizer):
    prompt = tokenizer(problem["question"] + "\n", add_special_tokens=False)["input_ids"]
    target = [*tokenizer(trace, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return torch.tensor([prompt + target]), torch.tensor([[IGNORE] * len(prompt) + target])
