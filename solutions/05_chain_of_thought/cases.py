"""Lab 05's visible examples and hidden cases.

Traces are written out by builders from a list of equations, so that what is said around an equation, how many steps
there are and what the last line holds can be varied one at a time. Numbers differ so that right and wrong differ.
"""

from helpers.checks.fixtures import ModelSpec
from helpers.grader.course.cases import Case

FORBIDDEN = ("helpers.reasoning.chain_of_thought",)  # it holds this lab's answers

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


def extract_answer_cases():
    name = "extract_answer"
    return [
        Case(name, "many_steps", (trace("12 - 4 = 8", "8 * 3 = 24", "24 + 5 = 29", answer=29),), weight=2.0,
             about="a trace of several steps"),
        Case(name, "answer_alone", ("#### 42",), about="an answer without steps"),
        Case(name, "zero_left", (trace("9 - 9 = 0", answer=0),), about="an answer of 0"),
        Case(name, "below_zero", (trace("3 - 11 = -8", answer=-8),), about="a negative answer"),
        Case(name, "with_thousands", (trace("2400 * 3 = 7200", answer="7,200"),), about="a comma between thousands"),
        Case(name, "with_millions", (trace("4000 * 1000 = 4000000", answer="4,000,000"),), about="several commas"),
        Case(name, "below_zero_with_comma", (trace("100 - 1700 = -1600", answer="-1,600"),),
             about="a negative answer with a comma"),
        Case(name, "no_answer", (trace("6 + 6 = 12", "12 - 5 = 7"),), weight=2.0, about="steps without an answer"),
        Case(name, "marker_alone", (trace("6 + 6 = 12") + "\n####",), about="the mark with nothing after it"),
        Case(name, "two_marks", (trace("6 + 8 = 14", answer=41) + "\n" + trace("14 + 5 = 19", answer=19),),
             weight=2.0, about="two answers"),
        Case(name, "second_cut_off", (trace("6 + 8 = 14", answer=41) + "\nNo, again.\n####",), weight=2.0,
             about="an answer, and then a mark with nothing after it"),
        Case(name, "empty_trace", ("",), about="an empty trace"),
        Case(name, "another_number_in_the_words", ("It is 8 o'clock.\nSo there are 5 + 4 = 9.\n#### 9",),
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


def verify_steps_cases():
    name = "verify_steps"
    return [
        Case(name, "every_sign", (trace("18 / 3 = 6", "6 * 4 = 24", "24 - 19 = 5", "5 + 16 = 21", answer=21),),
             about="all four signs"),
        Case(name, "first_fails", (trace("8 + 5 = 14", "14 - 6 = 8", "8 + 3 = 11", answer=11),), weight=2.0,
             about="a first step that fails"),
        Case(name, "middle_fails", (trace("8 + 5 = 13", "13 - 6 = 9", "9 + 3 = 12", answer=12),), weight=2.0,
             about="a step in the middle that fails"),
        Case(name, "last_fails", (trace("8 + 5 = 13", "13 - 6 = 7", "7 + 3 = 11", answer=11),),
             about="a last step that fails"),
        Case(name, "one_step", (trace("8 + 5 = 13", answer=13),), about="a single step"),
        Case(name, "words_only", ("I think it over.\nIt must be a dozen.\n#### 12",), about="words and no equation"),
        Case(name, "remark_between",
             ("Let us see.\nSo there are 4 + 9 = 13.\nNearly done.\nThat makes 13 - 2 = 11.\n#### 11",),
             about="lines without an equation between the steps"),
        Case(name, "product_fails", (trace("6 * 7 = 43", answer=43),), about="a product that fails"),
        Case(name, "difference_fails", (trace("20 - 6 = 15", answer=15),), about="a difference that fails"),
        Case(name, "long_numbers", (trace("12 + 35 = 47", "147 - 47 = 100", answer=100),), about="longer numbers"),
        Case(name, "last_digit_right", (trace("12 + 35 = 17", answer=17),), about="a sum whose last digit is right"),
        Case(name, "uneven_division", (trace("4 + 5 = 9", "9 / 2 = 4", answer=4),), weight=2.0,
             about="a division that leaves a remainder"),
        Case(name, "even_division", (trace("24 / 3 = 8", answer=8),), about="a single division"),
        Case(name, "by_zero", (trace("4 / 0 = 0", answer=0),), about="a division by 0"),
        Case(name, "negative_result", (trace("4 - 9 = -5", "-5 + 8 = 3", answer=3),), about="numbers below 0"),
        Case(name, "ends_below_zero", (trace("4 + 5 = 9", "9 - 12 = -3", answer=-3),), about="a last result below 0"),
        Case(name, "negative_fails", (trace("4 - 9 = 5", answer=5),), about="a lost minus sign"),
        Case(name, "negative_second", (trace("8 + -3 = 5", answer=5),), about="a negative number after the sign"),
        Case(name, "bare_equations", ("30 - 12 = 18\n18 / 2 = 9\n#### 9",), about="a compact trace"),
        Case(name, "lucky_answer", (trace("10 + 5 = 25", "25 - 5 = 10", answer=15),),
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


def keep_trace_cases():
    name = "keep_trace"
    long_question = " ".join(f"Ben says that it rained for {n} days." for n in range(2, 40)) + " How many days?"
    wordy = "After a good deal of thought, and having looked at the whole question from all sides, I find "
    remarks = "\n".join(["Let me think.", "Still thinking."] * 5)
    return [
        Case(name, "right_trace", (problem(26), trace("8 + 5 = 13", "13 * 2 = 26", answer=26)), weight=2.0,
             about="a right trace"),
        Case(name, "wrong_answer", (problem(26), trace("8 + 5 = 13", "13 + 2 = 15", answer=15)), weight=2.0,
             about="steps that hold, and a wrong answer"),
        Case(name, "answer_elsewhere", (problem(13), trace("8 + 5 = 13", "13 * 2 = 26", answer=26)),
             about="the right number, but not as the answer"),
        Case(name, "answer_inside", (problem(1), trace("8 + 5 = 13", "13 - 2 = 11", answer=11)),
             about="an answer that contains the right digits"),
        Case(name, "lucky_trace", (problem(12), trace("5 + 9 = 15", "15 - 3 = 12", answer=12)), weight=2.0,
             about="a right answer after a wrong step"),
        Case(name, "answer_only", (problem(12), "#### 12"), weight=2.0, about="a right answer without a step"),
        Case(name, "words_only", (problem(12), "It has to be a dozen.\n#### 12"), about="words instead of steps"),
        Case(name, "no_answer", (problem(14), trace("5 + 9 = 14")), about="right steps without an answer"),
        Case(name, "with_comma", (problem(1250), trace("1500 - 250 = 1250", answer="1,250")),
             about="a comma in the answer"),
        Case(name, "negative_answer", (problem(-6), trace("4 - 10 = -6", answer=-6)), about="an answer below 0"),
        Case(name, "eight_steps", counted(8), weight=2.0, about="eight steps"),
        Case(name, "nine_steps", counted(9, start=20), weight=2.0, about="nine steps"),
        Case(name, "twelve_steps", counted(12), about="twelve steps"),
        Case(name, "repeated_next", (problem(12), trace("4 + 5 = 9", "4 + 5 = 9", "9 + 3 = 12", answer=12)),
             about="an equation that comes twice in a row"),
        Case(name, "repeated_later", (problem(12), trace("8 + 4 = 12", "12 - 4 = 8", "8 + 4 = 12", answer=12)),
             weight=2.0, about="an equation that comes back later"),
        Case(name, "repeated_in_other_words",
             (problem(12), "Ana adds them: 8 + 4 = 12.\nNow take 12 - 4 = 8.\nBen adds them too: 8 + 4 = 12.\n#### 12"),
             about="an equation that comes back in other words"),
        Case(name, "same_result_twice",
             (problem(18), trace("4 + 5 = 9", "9 * 2 = 18", "18 - 9 = 9", "9 + 9 = 18", answer=18)),
             about="different equations with the same result"),
        Case(name, "same_words", (problem(9), trace("2 + 2 = 4", "2 * 2 = 4", "4 + 5 = 9", answer=9)),
             about="the same numbers under different signs"),
        Case(name, "long_question", (problem(11, long_question), trace("2 + 9 = 11", answer=11)),
             about="a long question and a short trace"),
        Case(name, "wordy_steps", counted(7, words=(wordy, ", I believe.")), about="long sentences, few steps"),
        Case(name, "many_remarks", (problem(11), remarks + "\n" + trace("2 + 9 = 11", answer=11)),
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


def filter_traces_cases():
    name = "filter_traces"
    one, two, three = apples(8, 5), apples(9, 4), apples(3, 6)
    wrong, also_wrong = apples(5, 9, answer=15), apples(2, 6, answer=9)
    in_other_words = (one[0], trace("8 + 5 = 13", answer=13, words=("Monday brings 5, that makes ", ".")))
    same_numbers = apples(8, 5, question="Ben has {a} coins. Monday brings {b}. How many coins now?")
    lucky = (problem(12), trace("5 + 9 = 15", "15 - 3 = 12", answer=12))
    return [
        Case(name, "mixed_lot", pairs(one, wrong, two, also_wrong, three), weight=2.0, about="some right, some wrong"),
        Case(name, "all_right", pairs(three, one, two), about="all right"),
        Case(name, "wrong_first", pairs(wrong, one, also_wrong, two), weight=2.0, about="a wrong one first"),
        Case(name, "all_wrong", pairs(wrong, also_wrong), about="all wrong"),
        Case(name, "no_traces", ([], []), about="no trace at all"),
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


def compact_cases():
    name = "compact"
    other = ("Ben has 3 more than Ana, so Ben has ", ".")
    return [
        Case(name, "one_step", (trace("12 - 5 = 7", answer=7),), about="a single step"),
        Case(name, "three_steps", (trace("4 * 3 = 12", "12 + 9 = 21", "21 - 6 = 15", answer=15, words=other),),
             weight=2.0, about="three steps, with numbers among the words"),
        Case(name, "six_steps", (trace(*counting(6)[0], answer=counting(6)[1]),), about="six steps"),
        Case(name, "every_sign", (trace("18 / 3 = 6", "6 * 4 = 24", "24 - 19 = 5", "5 + 16 = 21", answer=21),),
             about="all four signs"),
        Case(name, "below_zero", (trace("4 - 9 = -5", "-5 + 2 = -3", answer=-3),), about="numbers below 0"),
        Case(name, "already_compact", ("30 - 12 = 18\n18 / 2 = 9\n#### 9",), about="a trace that is compact already"),
        Case(name, "remark_lines", ("Hm.\nFirst 6 + 8 = 14.\nGood, on we go.\nThen 14 - 3 = 11.\nDone.\n#### 11",),
             weight=2.0, about="lines without an equation"),
        Case(name, "same_result", (trace("5 + 5 = 10", "10 - 4 = 6", "6 + 4 = 10", answer=10),),
             about="a result that comes twice"),
        Case(name, "long_numbers", (trace("120 + 35 = 155", "155 * 4 = 620", answer=620),), about="longer numbers"),
        Case(name, "wrong_step", (trace("6 + 7 = 14", "14 - 5 = 9", answer=9),),
             about="an equation that does not hold"),
        Case(name, "repeated", (trace("8 + 4 = 12", "12 - 4 = 8", "8 + 4 = 12", answer=12),),
             about="an equation that comes twice"),
        Case(name, "with_comma", (trace("1500 - 250 = 1250", answer="1,250"),), about="a comma in the answer"),
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


def make_example_cases():
    name = "make_example"
    chain = problem(
        12, "Ana has 5 coins. Ben has 4 more than Ana. Cleo has 3 more than Ben. How many coins does Cleo have?"
    )
    chain_trace = "Ben has 4 more than Ana, so 5 + 4 = 9.\nCleo has 3 more than Ben, so 9 + 3 = 12.\n#### 12"
    pile = problem(8, "Eva has 4 books. Monday makes it 2 times as many. How many books now?")
    pile_trace = "Monday makes it 2 times as many, so 4 * 2 = 8.\n#### 8"
    long = problem(
        2,
        "Dan has 9 eggs. It rained for 9 hours. Monday takes 5. Tuesday leaves one of 2 equal parts. "
        "How many eggs now?",
    )
    return [
        Case(name, "two_steps", (chain, chain_trace, TOKENIZER), weight=2.0, about="two steps"),
        Case(name, "one_step", (pile, pile_trace, TOKENIZER), about="one step"),
        Case(name, "compact_form", (chain, "5 + 4 = 9\n9 + 3 = 12\n#### 12", TOKENIZER), weight=2.0,
             about="a compact trace"),
        Case(name, "answer_only", (pile, "#### 8", TOKENIZER), about="an answer without steps"),
        Case(name, "longer_question", (long, "9 - 5 = 4\n4 / 2 = 2\n#### 2", TOKENIZER),
             about="a question longer than its trace"),
        Case(name, "joining_tokenizer", (pile, "#### 8", JOINING), weight=2.0,
             about="a tokenizer that joins the newline with what follows it"),
        Case(name, "same_words_again", (pile, "Eva has 4 books.\n" + pile_trace, TOKENIZER),
             about="a trace that repeats the question's words"),
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
    ]


def cases(seed):
    return [
        *extract_answer_cases(),
        *verify_steps_cases(),
        *keep_trace_cases(),
        *filter_traces_cases(),
        *compact_cases(),
        *make_example_cases(),
    ]
