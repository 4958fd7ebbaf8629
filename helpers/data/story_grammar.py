"""The small language of the `tiny` tier: short stories in which every probability is known.

A story runs through the states below. In a state, one word is sampled; state and word together determine the next
state. So the words read so far determine the state, and with it the true probability of every next word. The state
remembers who the story is about, where it happens and how it turns out: after "Mia went to the beach and found a tiny",
it is "she_beach_good", and the next word is something good from a beach.

If you change a word or a weight, you get another language; `scripts/train_tiny.py` then trains its teacher.
`helpers.data.known_language` turns the rules into probabilities.
"""

Rule = tuple[dict[str, float], str]  # words with their weights, and the state they lead to
Rules = dict[str, list[Rule]]

END = "<|endoftext|>"

NAMES = {
    "she": "Mia Anna Lily Rosa Nora Ella Ruby Clara",
    "he": "Tom Ben Leo Sam Max Oscar Jack Noah",
}
HIS = {"she": "her", "he": "his"}
PLACES = {
    "garden": {
        "is": "garden park yard orchard meadow",
        "see": "saw noticed spotted found met discovered",
        "good look": "small pretty little red lovely yellow bright tiny soft young",
        "good": "butterfly flower rabbit rose puppy kitten robin tulip daisy squirrel pear cherry hedgehog swing",
        "bad look": "big huge strange dark green sharp",
        "bad": "wasp snake spider thorn scarecrow beetle fox crow",
    },
    "beach": {
        "is": "beach shore sea lake harbor",
        "see": "found spotted saw discovered noticed met",
        "good look": "white bright lovely tiny golden small little blue smooth shiny",
        "good": "shell boat dolphin seal starfish pearl turtle kite ship coin bottle pebble gull penguin",
        "bad look": "huge dark wild big grey sharp",
        "bad": "crab shark storm wave jellyfish eel wreck whirlpool",
    },
    "kitchen": {
        "is": "kitchen bakery cellar pantry",
        "see": "smelled found noticed saw discovered",
        "good look": "warm sweet fresh big tiny golden little lovely soft creamy",
        "good": "cake pie cookie pancake muffin soup pudding sandwich waffle bun tart loaf stew pizza",
        "bad look": "dirty grey strange wild sticky dark",
        "bad": "mouse fire mess rat ghost leak beetle moth",
    },
}
FEELINGS = {
    "good": {"happy": 0.6, "glad": 0.2, "joyful": 0.1, "cheerful": 0.05, "proud": 0.03, "delighted": 0.02},
    "bad": {"scared": 0.5, "afraid": 0.25, "sad": 0.1, "upset": 0.07, "nervous": 0.05, "worried": 0.03},
}
ACTIONS = {
    "good": "smiled laughed sang danced clapped cheered jumped giggled whistled hummed",
    "bad": "cried screamed shouted froze trembled hid sobbed gasped shivered fainted",
}


def ranked(words: str) -> dict[str, float]:
    """Weights 1, 1/2, 1/3 … for the words in order, like word frequencies in real text (Zipf's law)."""
    return {word: 1 / rank for rank, word in enumerate(words.split(), start=1)}


def share(amount: float, words: dict[str, float]) -> dict[str, float]:
    """The same words with weights scaled to sum to `amount`."""
    total = sum(words.values())
    return {word: amount * weight / total for word, weight in words.items()}


def story_rules() -> Rules:
    """Every state's rules, `{state: [({word: weight}, next state), …]}`; the weights of a state sum to 1.

    A story begins in the state "start", and the end-of-text token leads back to it.
    """
    names = {who: ranked(words) for who, words in NAMES.items()}
    rules: Rules = {
        "start": [({"One": 0.5}, "one")] + [(share(0.25, names[who]), f"{who}_goes") for who in names],
        "one": [
            (share(0.6, ranked("sunny rainy cold windy quiet")), "one_day"),
            (share(0.4, ranked("day morning evening night")), "comma"),
        ],
        "one_day": [(share(1, ranked("morning day evening night")), "comma")],
        "comma": [({",": 1}, "name")],
        "name": [(share(0.5, names[who]), f"{who}_goes") for who in names],
        "stop": [({".": 1}, "end")],
        "end": [({END: 1}, "start")],
    }
    for who in NAMES:
        rules |= {
            f"{who}_goes": [(share(1, ranked("went walked ran hurried skipped strolled")), f"{who}_to")],
            f"{who}_to": [({"to": 0.7, "into": 0.2, "toward": 0.1}, f"{who}_the")],
            f"{who}_the": [({"the": 0.75, HIS[who]: 0.15, "that": 0.1}, f"{who}_place")],
            f"{who}_place": [(share(1 / 3, ranked(PLACES[place]["is"])), f"{who}_{place}_and") for place in PLACES],
            f"{who}_stop": [({".": 0.9, "!": 0.1}, f"{who}_last")],
            f"{who}_last": [
                ({END: 0.3}, "start"),
                (share(0.7, ranked("Then Soon Later Afterwards Finally")), f"{who}_then"),
            ],
            f"{who}_then": [({who: 1}, f"{who}_back")],
            f"{who}_back": [(share(1, ranked("ran walked went hurried raced")), f"{who}_home")],
            f"{who}_home": [({"home": 0.6, "back": 0.2, "away": 0.2}, "stop")],
        }
        for place, words in PLACES.items():
            here = f"{who}_{place}"
            rules |= {
                f"{here}_and": [({"and": 0.8, ",": 0.2}, f"{here}_see")],
                f"{here}_see": [(share(1, ranked(words["see"])), f"{here}_a")],
                f"{here}_a": [({"a": 0.7, "the": 0.15, "another": 0.15}, f"{here}_look")],
                f"{here}_look": [
                    (share(0.6, ranked(words["good look"])), f"{here}_good"),
                    (share(0.4, ranked(words["bad look"])), f"{here}_bad"),
                ],
            }
            rules |= {f"{here}_{mood}": [(share(1, ranked(words[mood])), f"{who}_{mood}_stop")] for mood in FEELINGS}
        for mood, feelings in FEELINGS.items():
            mood_state = f"{who}_{mood}"
            rules |= {
                f"{mood_state}_stop": [({".": 0.8, "!": 0.2}, f"{mood_state}_who")],
                f"{mood_state}_who": [({who.capitalize(): 1}, f"{mood_state}_felt")],
                f"{mood_state}_felt": [({"felt": 0.7, "was": 0.2, "looked": 0.1}, f"{mood_state}_feeling")],
                f"{mood_state}_feeling": [(feelings, f"{mood_state}_and")],
                f"{mood_state}_and": [({"and": 0.6}, f"{mood_state}_act"), ({".": 0.4}, f"{who}_last")],
                f"{mood_state}_act": [(share(1, ranked(ACTIONS[mood])), f"{who}_stop")],
            }
    return rules
