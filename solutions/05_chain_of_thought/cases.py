"""Lab 05's visible examples and hidden cases.

Traces are written out by builders from a list of equations, so that what is said around an equation, how many steps
there are and what the last line holds can be varied one at a time. Numbers differ so that right and wrong differ; those
of hidden cases come from the run's seed.
"""

import torch

from helpers.checks.fixtures import ModelSpec
from helpers.data.word_problems import NAMES, THINGS
from helpers.grader.course.cases import Case, validation
from helpers.grader.course.draw import Draw

FORBIDDEN = ("helpers.reasoning.chain_of_thought",)  # it holds this lab's answers

IGNORE, VOCABULARY = -100, 7  # of the examples that `train_arm` gets

TOKENIZER = ModelSpec("tokenizer", of="problems")
JOINING = ModelSpec("tokenizer", of="problems, joining")  # takes a newline and the mark after it as one token


# -------------------------------------------------------------------------------------------------------- builders


def problem(answer, question="Ana has 7 apples. Monday brings 3. How many apples now?"):
    return {"question": question, "answer": answer}


def trace(*equations, answer=None, words=("Ana counts again, so there are ", ".")):
    """Each equation in a line of words, and the answer's line, if there is an answer."""
    lines = [f"{words[0]}{equation}{words[1]}" for equation in equations]
    return "\n".join(lines + ([] if answer is None else [f"#### {answer}"]))


def counting(steps, start=5):
    """So many equations that hold and differ, one after the other: 5 + 1 = 6, 6 + 2 = 8 …"""
    equations, total = [], start
    for n in range(1, steps + 1):
        equations.append(f"{total} + {n} = {total + n}")
        total += n
    return equations, total


def counted(steps, start=5, words=("So there are ", ".")):
    """A problem and a right trace of so many steps."""
    equations, total = counting(steps, start)
    return problem(total), trace(*equations, answer=total, words=words)


def chain(draw, label, signs, wrong=None):
    """Equations that lead from one to the next, one for each sign, and the last result.

    No result comes twice, each is from 2 to 99, and divisions are even. The result of the equation with the index
    `wrong` is too large by 1 to 3, and the next one starts from there.
    """
    return draw.until(label, lambda source: _chain(source, signs, wrong), lambda made: made is not None)


def _chain(draw, signs, wrong):
    totals, equations = [draw.integer("start", 12, 30)], []
    for index, sign in enumerate(signs):
        total, n = totals[-1], draw.integer(index, 2, 19)
        if sign == "/" and (n < 2 or total % n or total == n):
            return None
        result = {"+": total + n, "-": total - n, "*": total * n, "/": total // n}[sign]
        result += draw.integer("off", 1, 3) if index == wrong else 0
        equations.append(f"{total} {sign} {n} = {result}")
        totals.append(result)
    fitting = all(2 <= total <= 99 for total in totals) and len(set(totals)) == len(totals)
    return (equations, totals[-1]) if fitting else None


def chained(draw, label, signs, wrong=None):
    """The trace of such a chain, with its last result as the answer."""
    equations, result = chain(draw, label, signs, wrong)
    return trace(*equations, answer=result)


def digits(draw, label, count):
    """Different numbers from 3 to 9."""
    return draw.sample(label, range(3, 10), count)


# -------------------------------------------------------------------------------------------------- extract_answer


def extract_answer_examples():
    name = "extract_answer"
    return [
        Case(name, "two_steps", (trace("7 + 3 = 10", "10 * 2 = 20", answer=20),), about="a trace of two steps"),
        Case(name, "cut_off", ("Monday brings 3, so 7 + 3 =",), about="a trace that was cut off: no answer"),
        Case(name, "second_thoughts", ("So there are 7 + 3 = 10.\n#### 10\nNo, again.\n#### 12",),
             about="two answers: the last one counts"),
        Case(name, "second_thoughts_cut_off", ("So there are 7 + 3 = 10.\n#### 10\nNo, again.\n####",),
             about="an answer, and then a mark with nothing after it"),
        Case(name, "commas", (trace("1500 - 250 = 1250", answer="1,250"),), about="a comma between thousands"),
        Case(name, "result_below_zero", (trace("3 - 5 = -2", answer=-2),), about="a negative answer"),
    ]  # fmt: skip


def extract_answer_cases(draw):
    name = "extract_answer"
    a, b, c, d = digits(draw, "numbers", 4)
    hundreds, thousands, millions = draw.integer("hundreds", 11, 29), draw.integer("thousands", 12, 40), a
    steps, result = chain(draw, "no answer", "+-")
    doubted, first = chain(draw, "doubted", "+")
    again, second = f"{first} + {c} = {first + c}", first + c
    wrong = draw.integer("wrong", 100, 140)
    return [
        Case(name, "many_steps", (chained(draw, "many", "-*+"),), weight=2.0, about="a trace of several steps"),
        Case(name, "answer_alone", (f"#### {draw.integer('alone', 12, 99)}",), about="an answer without steps"),
        Case(name, "zero_left", (trace(f"{a} - {a} = 0", answer=0),), about="an answer of 0"),
        Case(name, "below_zero", (trace(f"{a} - {b + 10} = {a - b - 10}", answer=a - b - 10),),
             about="a negative answer"),
        Case(name, "with_thousands",
             (trace(f"{100 * hundreds} * {b} = {100 * hundreds * b}", answer=f"{100 * hundreds * b:,}"),),
             about="a comma between thousands"),
        Case(name, "with_millions",
             (trace(f"{1000 * millions} * 1000 = {millions}000000", answer=f"{millions},000,000"),),
             about="several commas"),
        Case(name, "below_zero_with_comma",
             (trace(f"100 - {100 * thousands} = {100 - 100 * thousands}", answer=f"{100 - 100 * thousands:,}"),),
             about="a negative answer with a comma"),
        Case(name, "no_answer", (trace(*steps),), weight=2.0, about="steps without an answer"),
        Case(name, "number_unmarked", (f"{wrong} comes out.",), about="a number without the mark"),
        Case(name, "int_returned", (trace(steps[0], answer=second),), observe="whole_numbers",
             about="an int is returned"),
        Case(name, "marker_alone", (trace(steps[0]) + "\n####",), about="the mark with nothing after it"),
        Case(name, "two_marks", (trace(*doubted, answer=wrong) + "\n" + trace(again, answer=second),),
             weight=2.0, about="two answers"),
        Case(name, "second_cut_off", (trace(*doubted, answer=wrong) + "\nNo, again.\n####",), weight=2.0,
             about="an answer, and then a mark with nothing after it"),
        Case(name, "empty_trace", ("",), about="an empty trace", fixed="it is empty"),
        Case(name, "another_number_in_the_words",
             (f"It is {d} o'clock.\nSo there are {a} + {b} = {a + b}.\n#### {a + b}",),
             about="numbers that belong to no step"),
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------- verify_steps


def verify_steps_examples():
    name = "verify_steps"
    return [
        Case(name, "all_hold", (trace("7 + 3 = 10", "10 * 2 = 20", answer=20),), about="two steps that hold"),
        Case(name, "second_fails", (trace("7 + 3 = 10", "10 * 2 = 22", answer=22),), about="a second step that fails"),
        Case(name, "first_of_two_fails", (trace("7 + 3 = 11", "11 - 1 = 10", answer=10),),
             about="a first step that fails"),
        Case(name, "no_steps", ("#### 20",), about="an answer and no step"),
        Case(name, "remark", ("Let us see.\nSo there are 9 - 4 = 5.\n#### 5",), about="a line without an equation"),
        Case(name, "remainder", (trace("4 + 3 = 7", "7 / 2 = 3", answer=3),),
             about="a division that leaves a remainder"),
        Case(name, "zero_by_zero", (trace("5 - 5 = 0", "0 / 0 = 0", answer=0),), about="a division by 0"),
        Case(name, "below_zero", (trace("3 - 5 = -2", answer=-2),), about="a result below 0"),
    ]  # fmt: skip


def verify_steps_cases(draw):
    name = "verify_steps"
    a, b, c, d = digits(draw, "numbers", 4)
    total = a + b
    tens, more, odd = draw.integer("tens", 21, 39), draw.integer("more", 31, 49), draw.integer("odd", 2, 7)
    bare, result = chain(draw, "bare", "-/")
    return [
        Case(name, "every_sign", (chained(draw, "every sign", "/*-+"),), about="all four signs"),
        Case(name, "first_fails", (chained(draw, "first", "+-+", wrong=0),), weight=2.0,
             about="a first step that fails"),
        Case(name, "middle_fails", (chained(draw, "middle", "+-+", wrong=1),), weight=2.0,
             about="a step in the middle that fails"),
        Case(name, "last_fails", (chained(draw, "last", "+-+", wrong=2),), about="a last step that fails"),
        Case(name, "one_step", (chained(draw, "one", "+"),), about="a single step"),
        Case(name, "words_only", (f"I think it over.\nIt must be a few.\n#### {c}",), about="words and no equation"),
        Case(name, "remark_between",
             (f"Let us see.\nSo there are {a} + {b} = {total}.\nNearly done.\nThat makes {total} - 2 = {total - 2}.\n"
              f"#### {total - 2}",),
             about="lines without an equation between the steps"),
        Case(name, "product_fails", (trace(f"{a} * {b} = {a * b + 1}", answer=a * b + 1),),
             about="a product that fails"),
        Case(name, "difference_fails", (chained(draw, "difference", "-", wrong=0),), about="a difference that fails"),
        Case(name, "long_numbers",
             (trace(f"{tens} + {more} = {tens + more}", f"{100 + tens} - {tens} = 100", answer=100),),
             about="longer numbers"),
        Case(name, "last_digit_right", (trace(f"{tens} + {more} = {tens + more - 30}", answer=tens + more - 30),),
             about="a sum whose last digit is right"),
        Case(name, "uneven_division",
             (trace(f"{odd} + {odd + 1} = {2 * odd + 1}", f"{2 * odd + 1} / 2 = {odd}", answer=odd),), weight=2.0,
             about="a division that leaves a remainder"),
        Case(name, "even_division", (trace(f"{a * b} / {b} = {a}", answer=a),), about="a single division"),
        Case(name, "by_zero", (trace(f"{a} / 0 = 0", answer=0),), about="a division by 0"),
        Case(name, "zero_over_zero", (trace(f"{a} - {a} = 0", f"0 / 0 = {d}", answer=d),), about="0 divided by 0"),
        Case(name, "negative_result",
             (trace(f"{a} - {a + b} = {-b}", f"{-b} + {b + c} = {c}", answer=c),), about="numbers below 0"),
        Case(name, "ends_below_zero",
             (trace(f"{a} + {b} = {total}", f"{total} - {total + c} = {-c}", answer=-c),),
             about="a last result below 0"),
        Case(name, "negative_fails", (trace(f"{a} - {a + b} = {b}", answer=b),), about="a lost minus sign"),
        Case(name, "negative_second", (trace(f"{a + b} + {-a} = {b}", answer=b),),
             about="a negative number after the sign"),
        Case(name, "bare_equations", ("\n".join([*bare, f"#### {result}"]),), about="a compact trace"),
        Case(name, "lucky_answer",
             (trace(f"{a} + {d} = {a + d + 10}", f"{a + d + 10} - {d} = {a}", answer=a + d),),
             about="wrong steps before an answer"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ keep_trace


def keep_trace_examples():
    name = "keep_trace"
    good, asked = problem(10), "Ana has 7 apples. Monday brings 3. How many apples now?"
    weather = " ".join(f"It rained for {n} days, says Ben, but he does not remember when." for n in range(2, 18))
    circles = "Monday brings 3: 7 + 3 = 10.\nWithout them 10 - 3 = 7.\nThat makes 7 + 3 = 10 again.\n#### 10"
    return [
        Case(name, "right_trace", (good, trace("7 + 3 = 10", answer=10)), about="a right trace"),
        Case(name, "wrong_answer", (good, trace("7 - 3 = 4", answer=4)), about="steps that hold, and a wrong answer"),
        Case(name, "one_step_too_many", (good, trace("7 + 3 = 10", "10 + 3 = 13", answer=13)),
             about="the right number in a step, and another one as the answer"),
        Case(name, "wrong_step", (good, trace("7 + 3 = 11", "11 - 1 = 10", answer=10)),
             about="a right answer after a wrong step"),
        Case(name, "no_step", (good, "#### 10"), about="a right answer without a step"),
        Case(name, "comma", (problem(1250), trace("1500 - 250 = 1250", answer="1,250")),
             about="a comma in the answer"),
        Case(name, "eight", counted(8, start=2), about="eight steps"),
        Case(name, "nine", counted(9), about="nine steps"),
        Case(name, "round_in_circles", (good, circles), about="an equation that comes twice, in other words"),
        Case(name, "two_ways_to_a_result", (good, trace("4 + 6 = 10", "10 + 5 = 15", "15 - 5 = 10", answer=10)),
             about="different equations with the same result"),
        Case(name, "rainy_question", (problem(10, f"{weather} {asked}"), trace("7 + 3 = 10", answer=10)),
             about="a long question"),
    ]  # fmt: skip


def keep_trace_cases(draw):
    name = "keep_trace"
    long_question = " ".join(f"Ben says that it rained for {n} days." for n in range(2, 40)) + " How many days?"
    wordy = "After a good deal of thought, and having looked at the whole question from all sides, I find "
    remarks = "\n".join(["Let me think.", "Still thinking."] * 5)
    a, b, c = digits(draw, "numbers", 3)
    total, add, take = a + b, f"{a} + {b} = {a + b}", f"{a + b} - {b} = {a}"
    double, hundreds = f"{total} * 2 = {2 * total}", draw.integer("hundreds", 11, 19)
    right, result = chain(draw, "right", "+*")
    long, lucky, next_one = (draw.integer(label, 12, 40) for label in ("long", "lucky", "next"))
    starts = {steps: draw.integer(f"{steps} steps", 5, 30) for steps in (7, 8, 9, 12)}
    return [
        Case(name, "right_trace", (problem(result), trace(*right, answer=result)), weight=2.0, about="a right trace"),
        Case(name, "wrong_answer", (problem(2 * total), trace(add, f"{total} + 2 = {total + 2}", answer=total + 2)),
             weight=2.0, about="steps that hold, and a wrong answer"),
        Case(name, "answer_elsewhere", (problem(total), trace(add, double, answer=2 * total)),
             about="the right number, but not as the answer"),
        Case(name, "answer_inside",
             (problem(c), trace(f"{11 * c + a} - {a} = {11 * c}", answer=11 * c)),
             about="an answer that contains the right digits"),
        Case(name, "lucky_trace",
             (problem(lucky), trace(f"{lucky} + {a} = {lucky + a + 1}", f"{lucky + a + 1} - {a + 1} = {lucky}",
                                    answer=lucky)),
             weight=2.0, about="a right answer after a wrong step"),
        Case(name, "answer_only", (problem(long), f"#### {long}"), weight=2.0, about="a right answer without a step"),
        Case(name, "words_only", (problem(next_one), f"It has to be a few.\n#### {next_one}"),
             about="words instead of steps"),
        Case(name, "no_answer", (problem(total), trace(add)), about="right steps without an answer"),
        Case(name, "with_comma",
             (problem(100 * hundreds + 50), trace(f"{100 * hundreds + 300} - 250 = {100 * hundreds + 50}",
                                                  answer=f"{100 * hundreds + 50:,}")),
             about="a comma in the answer"),
        Case(name, "negative_answer", (problem(-c), trace(f"{a} - {a + c} = {-c}", answer=-c)),
             about="an answer below 0"),
        Case(name, "eight_steps", counted(8, starts[8]), weight=2.0, about="eight steps"),
        Case(name, "nine_steps", counted(9, starts[9]), weight=2.0, about="nine steps"),
        Case(name, "twelve_steps", counted(12, starts[12]), about="twelve steps"),
        Case(name, "repeated_next",
             (problem(total + c), trace(add, add, f"{total} + {c} = {total + c}", answer=total + c)),
             about="an equation that comes twice in a row"),
        Case(name, "repeated_later", (problem(total), trace(add, take, add, answer=total)),
             weight=2.0, about="an equation that comes back later"),
        Case(name, "repeated_in_other_words",
             (problem(total), f"Ana adds them: {add}.\nNow take {take}.\nBen adds them too: {add}.\n#### {total}"),
             about="an equation that comes back in other words"),
        Case(name, "same_result_twice",
             (problem(2 * total), trace(add, double, f"{2 * total} - {total} = {total}",
                                        f"{total} + {total} = {2 * total}", answer=2 * total)),
             about="different equations with the same result"),
        Case(name, "same_words", (problem(4 + c), trace("2 + 2 = 4", "2 * 2 = 4", f"4 + {c} = {4 + c}", answer=4 + c)),
             about="the same numbers under different signs"),
        Case(name, "long_question",
             (problem(long + a, long_question), trace(f"{long} + {a} = {long + a}", answer=long + a)),
             about="a long question and a short trace"),
        Case(name, "wordy_steps", counted(7, starts[7], words=(wordy, ", I believe.")),
             about="long sentences, few steps"),
        Case(name, "many_remarks", (problem(total), remarks + "\n" + trace(add, answer=total)),
             about="many lines, one step"),
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------- filter_traces


def pairs(*items):
    """Problems and traces as two lists."""
    return [item[0] for item in items], [item[1] for item in items]


def apples(start, more, answer=None, question="Ana has {a} apples. Monday brings {b}. How many apples now?"):
    """A problem with a one-step trace; with an `answer` of its own, the trace is wrong."""
    right = start + more
    text = question.format(a=start, b=more)
    return problem(right, text), trace(f"{start} + {more} = {answer or right}", answer=answer or right)


def filter_traces_examples():
    name = "filter_traces"
    good, bad, other = apples(7, 3), apples(4, 5, answer=8), apples(6, 2)
    by_luck = (problem(10), trace("7 + 3 = 11", "11 - 1 = 10", answer=10))
    another_way = (good[0], trace("3 + 7 = 10", answer=10))
    of_books = apples(7, 3, question="Eva has {a} books. Monday brings {b}. How many books now?")
    return [
        Case(name, "two_of_three", pairs(good, bad, other), about="two traces of three are right"),
        Case(name, "none", pairs(bad), about="nothing to keep"),
        Case(name, "repeated", pairs(good, other, good), about="the same trace of the same question twice"),
        Case(name, "right_by_luck", pairs(by_luck, good),
             about="a right answer after a wrong step, then a right trace of the same question"),
        Case(name, "two_ways", pairs(good, another_way), about="two different right traces of one question"),
        Case(name, "two_questions", pairs(good, of_books), about="the same trace of two different questions"),
    ]  # fmt: skip


def filter_traces_cases(draw):
    name = "filter_traces"
    a, b, c, d, e = draw.sample("numbers", range(3, 12), 5)
    one, two, three = apples(a, b), apples(c, d), apples(e, 2)
    wrong, also_wrong = apples(b, c, answer=b + c + 1), apples(d, e, answer=d + e + 1)
    in_other_words = (
        one[0],
        trace(f"{a} + {b} = {a + b}", answer=a + b, words=(f"Monday brings {b}, that makes ", ".")),
    )
    same_numbers = apples(a, b, question="Ben has {a} coins. Monday brings {b}. How many coins now?")
    lucky = (problem(a), trace(f"{a} + {c} = {a + c + 1}", f"{a + c + 1} - {c + 1} = {a}", answer=a))
    return [
        Case(name, "mixed_lot", pairs(one, wrong, two, also_wrong, three), weight=2.0, about="some right, some wrong"),
        Case(name, "all_right", pairs(three, one, two), about="all right"),
        Case(name, "wrong_first", pairs(wrong, one, also_wrong, two), weight=2.0, about="a wrong one first"),
        Case(name, "all_wrong", pairs(wrong, also_wrong), about="all wrong"),
        Case(name, "no_traces", ([], []), about="no trace at all", fixed="it is empty"),
        Case(name, "lucky_trace", pairs(lucky, one), about="a right answer after a wrong step"),
        Case(name, "two_of_one_problem", pairs(one, in_other_words, two), weight=2.0,
             about="two different traces of one problem"),
        Case(name, "repeated_trace", pairs(one, two, one, one, three), weight=2.0,
             about="the same trace several times"),
        Case(name, "wrong_then_right", pairs((one[0], wrong[1]), one),
             about="a wrong and a right trace of one problem"),
        Case(name, "same_trace_of_two_problems", pairs(one, same_numbers), weight=2.0,
             about="the same trace for two questions"),
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------------- compact


def compact_examples():
    name = "compact"
    return [
        Case(name, "two_steps", (trace("7 + 3 = 10", "10 * 2 = 20", answer=20),), about="a trace of two steps"),
        Case(name, "remark", ("Let us see.\nSo there are 9 - 4 = 5.\n#### 5",), about="a line without an equation"),
        Case(name, "negative", (trace("3 - 5 = -2", "-2 + 6 = 4", answer=4),), about="numbers below 0"),
        Case(name, "fails", (trace("7 + 3 = 11", "11 - 1 = 10", answer=10),), about="an equation that does not hold"),
        Case(name, "in_circles", (trace("7 + 3 = 10", "10 - 3 = 7", "7 + 3 = 10", answer=10),),
             about="an equation that comes twice"),
        Case(name, "comma", (trace("1750 - 250 = 1500", answer="1,500"),), about="a comma in the answer"),
    ]  # fmt: skip


def compact_cases(draw):
    name = "compact"
    a, b, c, d = digits(draw, "numbers", 4)
    total, add = a + b, f"{a} + {b} = {a + b}"
    bare, bare_result = chain(draw, "bare", "-/")
    three, three_result = chain(draw, "three", "*+-")
    six, six_result = counting(6, draw.integer("six", 5, 30))
    hundreds, longer = draw.integer("hundreds", 11, 19), draw.integer("longer", 110, 190)
    other = (f"Ben has {d} more than Ana, so Ben has ", ".")
    return [
        Case(name, "one_step", (chained(draw, "one", "-"),), about="a single step"),
        Case(name, "three_steps", (trace(*three, answer=three_result, words=other),),
             weight=2.0, about="three steps, with numbers among the words"),
        Case(name, "six_steps", (trace(*six, answer=six_result),), about="six steps"),
        Case(name, "every_sign", (chained(draw, "every sign", "/*-+"),), about="all four signs"),
        Case(name, "below_zero",
             (trace(f"{a} - {total} = {-b}", f"{-b} - {c} = {-b - c}", answer=-b - c),), about="numbers below 0"),
        Case(name, "already_compact", ("\n".join([*bare, f"#### {bare_result}"]),),
             about="a trace that is compact already"),
        Case(name, "remark_lines",
             (f"Hm.\nFirst {add}.\nGood, on we go.\nThen {total} - 2 = {total - 2}.\nDone.\n#### {total - 2}",),
             weight=2.0, about="lines without an equation"),
        Case(name, "same_result",
             (trace(add, f"{total} - {c} = {total - c}", f"{total - c} + {c} = {total}", answer=total),),
             about="a result that comes twice"),
        Case(name, "long_numbers",
             (trace(f"{longer} + {c} = {longer + c}", f"{longer + c} * 4 = {4 * longer + 4 * c}",
                    answer=4 * longer + 4 * c),),
             about="longer numbers"),
        Case(name, "wrong_step", (chained(draw, "wrong", "+-", wrong=0),), about="an equation that does not hold"),
        Case(name, "repeated", (trace(add, f"{total} - {b} = {a}", add, answer=total),),
             about="an equation that comes twice"),
        Case(name, "with_comma",
             (trace(f"{100 * hundreds} - 50 = {100 * hundreds - 50}", answer=f"{100 * hundreds - 50:,}"),),
             about="a comma in the answer"),
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------- make_example


def make_example_examples():
    name = "make_example"
    short = problem(10)
    return [
        Case(name, "one_step", (short, "Monday brings 3, so 7 + 3 = 10.\n#### 10", TOKENIZER), about="one step"),
        Case(name, "answer_only", (short, "#### 10", TOKENIZER), about="an answer without steps"),
        Case(name, "newline_joined", (short, "#### 10", JOINING),
             about="a tokenizer that takes a newline and the mark after it as one token"),
    ]  # fmt: skip


def make_example_cases(draw):
    name = "make_example"
    a, b, c, d = digits(draw, "numbers", 4)
    first, second, third, fourth, fifth = draw.sample("names", NAMES, 5)
    things, others = draw.sample("things", THINGS, 2)
    chain = problem(
        a + b + c,
        f"{first} has {a} {things}. {second} has {b} more than {first}. {third} has {c} more than {second}. "
        f"How many {things} does {third} have?",
    )
    steps = f"{a} + {b} = {a + b}", f"{a + b} + {c} = {a + b + c}"
    chain_trace = (
        f"{second} has {b} more than {first}, so {steps[0]}.\n{third} has {c} more than {second}, so {steps[1]}.\n"
        f"#### {a + b + c}"
    )
    start = f"{fourth} has {d} {others}."
    pile = problem(2 * d, f"{start} Monday makes it 2 times as many. How many {others} now?")
    pile_trace = f"Monday makes it 2 times as many, so {d} * 2 = {2 * d}.\n#### {2 * d}"
    long = problem(
        c,
        f"{fifth} has {a + 2 * c} {things}. It rained for {b} hours. Monday takes {a}. "
        f"Tuesday leaves one of 2 equal parts. How many {things} now?",
    )
    long_trace = f"{a + 2 * c} - {a} = {2 * c}\n{2 * c} / 2 = {c}\n#### {c}"
    return [
        Case(name, "two_steps", (chain, chain_trace, TOKENIZER), weight=2.0, about="two steps"),
        Case(name, "one_step", (pile, pile_trace, TOKENIZER), about="one step"),
        Case(name, "compact_form", (chain, "\n".join([*steps, f"#### {a + b + c}"]), TOKENIZER), weight=2.0,
             about="a compact trace"),
        Case(name, "answer_only", (pile, f"#### {2 * d}", TOKENIZER), about="an answer without steps"),
        Case(name, "longer_question", (long, long_trace, TOKENIZER),
             about="a question longer than its trace"),
        Case(name, "joining_tokenizer", (pile, f"#### {2 * d}", JOINING), weight=2.0,
             about="a tokenizer that joins the newline with what follows it"),
        Case(name, "whole_numbers", (pile, pile_trace, TOKENIZER), observe="whole_numbers",
             about="both tensors hold integers"),
        Case(name, "same_words_again", (pile, start + "\n" + pile_trace, TOKENIZER),
             about="a trace that repeats the question's words"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------- train_arm


def example_rows(seed, *lengths):
    """An example for each pair of lengths, of the prompt and of what is learned, which ends in the token 0."""
    source = torch.Generator().manual_seed(seed)
    examples = []
    for prompt, learned in lengths:
        ids = torch.randint(1, VOCABULARY, (prompt + learned,), generator=source)
        ids[-1] = 0
        examples.append((ids, torch.where(torch.arange(prompt + learned) < prompt, IGNORE, ids)))
    return examples


def arm_arguments(seed, examples, steps, batch_size, *, rate=0.3, dropout=0.0, training=True):
    student = ModelSpec("gpt2", seed=seed, scale=0.6, dropout=dropout, training=training)
    return student, examples, ModelSpec("sgd", of=0, learning_rate=rate), steps, batch_size


def arm_case(name, arguments, *watch, weight=1.0, about=""):
    return Case("train_arm", name, arguments, observe="training", options={"watch": list(watch) or ["value"]},
                weight=weight, about=about)  # fmt: skip


def train_arm_examples():
    four = example_rows(81, (2, 3), (3, 2), (1, 5), (2, 1))
    five = example_rows(82, (2, 2), (1, 3), (3, 3), (2, 4), (1, 2))
    good = arm_arguments(810, four, 1, 2)
    return [
        arm_case("lone_step", good, about="one step on two examples of the same length"),
        arm_case("four_steps", arm_arguments(812, four, 4, 2), "value", "kind",
                 about="four steps: the four examples are read twice"),
        arm_case("wraps_around", arm_arguments(814, five, 3, 3),
                 about="five examples, three in a step: the second step goes on with the first example"),
        arm_case("student_rests", arm_arguments(816, four, 2, 2, dropout=1.0, training=False, rate=0.1), "value",
                 "mode", about="a student that arrives in eval mode; its dropout is 1"),
        validation("train_arm", "no_examples", arm_arguments(810, [], 1, 2), good=good, about="no example"),
    ]  # fmt: skip


def train_arm_cases(draw):
    def rows(label, *lengths):
        return example_rows(draw(label), *draw.shuffled(f"{label}, order", *lengths))

    six = rows("six", (2, 4), (4, 1), (1, 2), (3, 3), (2, 6), (5, 2))
    five = rows("five", (1, 4), (3, 2), (2, 2), (4, 5), (2, 1))
    three = rows("three", (2, 3), (1, 1), (3, 5))
    good = arm_arguments(draw(900), six, 3, 2)
    return [
        arm_case("one_pass", good, "value", "student", weight=2.0, about="as many steps as a pass takes"),
        arm_case("several_passes", arm_arguments(draw(902), three, 5, 3), "value", "student", weight=2.0,
                 about="several passes"),
        arm_case("wraps_around", arm_arguments(draw(904), five, 4, 3), weight=2.0,
                 about="a batch that ends with the first examples again"),
        arm_case("more_than_all", arm_arguments(draw(906), three, 2, 4), about="batches larger than the whole set"),
        arm_case("lone_example", arm_arguments(draw(908), three[:1], 3, 1), "value", "kind",
                 about="one example again and again; plain numbers are returned"),
        arm_case("part_of_them", arm_arguments(draw(910), six, 2, 2), about="fewer steps than a pass takes"),
        arm_case("student_rests", arm_arguments(draw(912), five, 3, 2, dropout=1.0, training=False, rate=0.1),
                 "value", "mode", weight=2.0, about="a student with a dropout of 1 that arrives in eval mode"),
        arm_case("student_ready", arm_arguments(draw(914), six, 2, 3), "mode",
                 about="the mode in which the student is left"),
        validation("train_arm", "no_examples", arm_arguments(draw(900), [], 1, 2), good=good, about="no example"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------- the lab


def examples():
    return [
        *extract_answer_examples(),
        *verify_steps_examples(),
        *keep_trace_examples(),
        *filter_traces_examples(),
        *compact_examples(),
        *make_example_examples(),
        *train_arm_examples(),
    ]


def cases(seed):
    """The hidden cases that the judge runs, drawn from a run's seed."""
    draw = Draw(seed)
    return [
        *extract_answer_cases(draw.within("extract_answer")),
        *verify_steps_cases(draw.within("verify_steps")),
        *keep_trace_cases(draw.within("keep_trace")),
        *filter_traces_cases(draw.within("filter_traces")),
        *compact_cases(draw.within("compact")),
        *make_example_cases(draw.within("make_example")),
        *train_arm_cases(draw.within("train_arm")),
    ]
