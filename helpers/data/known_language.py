"""A language whose true next-token distribution is known, so that every model of it can be measured exactly.

`KnownLanguage` is a probabilistic automaton over words. In each state a word is sampled; state and word together
determine the next state (such an automaton is called unifilar). So the words read so far determine the state, and with
it the true next-token probabilities, the entropy rate, and the identity that the labs use:

    cross-entropy of a model = entropy of the truth + KL(truth || model)

Everything here is float64 and in nats. A row of tokens starts with the first word of a story or with the end-of-text
token. After that token a new story starts, wherever it is, so rows may be padded with it on either side.
Source: Travers and Crutchfield 2014, "Equivalence of History and Generator epsilon-Machines" (unifilar automata).
"""

from types import SimpleNamespace

import torch
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from helpers.data.story_grammar import END, Rules, story_rules

UNKNOWN = "<|unknown|>"  # a word that is not in the language; its probability is 0
START = "start"
IMPOSSIBLE_LOGIT = -1e4  # for a word with probability 0: finite, and 0 after a softmax at any T below 100


class KnownLanguage:
    """An automaton over words, with its exact probabilities and entropies.

    rules: `{state: [({word: weight}, next state), …]}`, as `helpers.data.story_grammar.story_rules` returns them.
    Weights are normalised within a state. The state "start" begins each text, and the end-of-text token must lead back
    to it.

    words: token -> word; states: state number -> name; probs `(states, V)` and next_state `(states, V)`, -1 where a
    word is impossible. Raises ValueError if a word leads from one state to two, or if a rule leads nowhere.
    """

    def __init__(self, rules: Rules):
        self.states = list(rules)
        vocabulary = {word for state in rules.values() for words, _ in state for word in words}
        self.words = [END, UNKNOWN, *sorted(vocabulary - {END, UNKNOWN})]
        self.token_of = {word: token for token, word in enumerate(self.words)}
        self.probs = torch.zeros(len(self.states), len(self.words), dtype=torch.float64)
        self.next_state = torch.full(self.probs.shape, -1)
        number = {name: index for index, name in enumerate(self.states)}
        if START not in number:
            raise ValueError(f'rules have no state "{START}"; every text begins there')
        for name, state in rules.items():
            for words, target in state:
                if target not in number or (END in words and target != START):
                    raise ValueError(
                        f'state "{name}" leads to "{target}"; it must lead to a state, and to "{START}" after {END}'
                    )
                for word, weight in words.items():
                    if self.next_state[number[name], self.token_of[word]] >= 0:
                        raise ValueError(f'"{word}" leads from state "{name}" to two states; it must lead to one')
                    self.probs[number[name], self.token_of[word]] = weight
                    self.next_state[number[name], self.token_of[word]] = number[target]
        self.probs /= self.probs.sum(dim=1, keepdim=True)
        self.start = number[START]
        self.eos = self.token_of[END]

    @classmethod
    def stories(cls) -> "KnownLanguage":
        """The language of the tiny tier."""
        return cls(story_rules())

    def sample(self, rows: int, length: int, seed: int) -> Tensor:
        """Token rows `(rows, length)`, long: the end-of-text token, then one story after another, cut at `length`.

        The same seed gives the same rows.
        """
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.full((rows, length), self.eos)
        state = torch.full((rows,), self.start)
        for position in range(1, length):
            tokens[:, position] = torch.multinomial(self.probs[state], 1, generator=generator)[:, 0]
            state = self.next_state[state, tokens[:, position]]
        return tokens

    def sample_texts(self, count: int, seed: int) -> list[str]:
        """`count` stories as text, without the end-of-text token."""
        generator = torch.Generator().manual_seed(seed)
        texts = []
        for _ in range(count):
            state = self.start
            words: list[str] = []
            while not words or words[-1] != END:
                token = int(torch.multinomial(self.probs[state], 1, generator=generator))
                state = int(self.next_state[state, token])
                words.append(self.words[token])
            texts.append(decoders.WordPiece().decode(words[:-1]))
        return texts

    def states_along(self, input_ids: Tensor) -> Tensor:
        """The state after each token, `(B, S)` long, for rows `input_ids` `(B, S)` that start with a story.

        Raises ValueError, naming row, position and word, if the language cannot continue that way.
        """
        states = torch.empty_like(input_ids)
        state = torch.full_like(input_ids[:, 0], self.start)
        for position, tokens in enumerate(input_ids.unbind(dim=1)):
            after = self.next_state.to(input_ids.device)[state, tokens]
            state = torch.where(tokens == self.eos, self.start, after)
            if (state < 0).any():
                row = int((state < 0).nonzero()[0])
                word = self.words[int(tokens[row])]
                raise ValueError(f'row {row}, position {position}: no story of this language has "{word}" there')
            states[:, position] = state
        return states

    def next_token_probs(self, input_ids: Tensor) -> Tensor:
        """True probabilities of the next token after each token, `(B, S, V)` float64, for rows `(B, S)`.

        Raises ValueError as `states_along` does.
        """
        return self.probs.to(input_ids.device)[self.states_along(input_ids)]

    def state_entropies(self) -> Tensor:
        """Entropy of the next token in each state, `(states,)`, in nats."""
        return -torch.special.xlogy(self.probs, self.probs).sum(dim=1)

    def transitions(self) -> Tensor:
        """Probability of going from state i to state j in one token, `(states, states)`."""
        matrix = torch.zeros(len(self.states), len(self.states), dtype=torch.float64)
        return matrix.scatter_add_(1, self.next_state.clamp(min=0), self.probs)

    def stationary(self) -> Tensor:
        """The stationary distribution, `(states,)`: each state's share of an endless text; π = π P, summing to 1."""
        count = len(self.states)
        balance = self.transitions().T - torch.eye(count, dtype=torch.float64)
        system = torch.cat([balance, torch.ones(1, count, dtype=torch.float64)])
        ones = torch.zeros(count + 1, 1, dtype=torch.float64)
        ones[-1] = 1
        return torch.linalg.lstsq(system, ones).solution[:, 0]

    def entropy_rate(self) -> float:
        """Mean entropy of the next token given all earlier ones, in nats per token, over an endless text.

        No model of the language has a lower mean loss; its exp is the lowest possible perplexity.
        """
        return float(self.stationary() @ self.state_entropies())

    def row_entropy(self, length: int) -> float:
        """The same for rows from `sample(…, length, …)`: the mean entropy of tokens 1 … length - 1 of a row, in nats.

        It differs slightly from the entropy rate, because every row starts at the beginning of a story.
        """
        distribution = torch.zeros(len(self.states), dtype=torch.float64)
        distribution[self.start] = 1
        total = 0.0
        for _ in range(length - 1):
            total += float(distribution @ self.state_entropies())
            distribution = distribution @ self.transitions()
        return total / (length - 1)

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """A tokenizer for words and punctuation. Padding and end of text share one token, as is usual with GPT-2."""
        core = Tokenizer(WordLevel(self.token_of, unk_token=UNKNOWN))
        core.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|[^\w\s]"), behavior="removed", invert=True)
        core.decoder = decoders.WordPiece()
        return PreTrainedTokenizerFast(
            tokenizer_object=core, eos_token=END, pad_token=END, unk_token=UNKNOWN, padding_side="right"
        )


class OracleTeacher(nn.Module):
    """A teacher that knows the truth: its logits are the logarithms of the true next-token probabilities.

    Called like a transformers model; returns an object with `logits` `(B, S, V)`, float32. A word that cannot follow
    gets the logit -10000. Raises ValueError if the rows are not stories of the language.
    """

    def __init__(self, language: KnownLanguage):
        super().__init__()
        self.language = language

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> SimpleNamespace:
        """input_ids: `(B, S)`. attention_mask is ignored: padding is end-of-text, which starts a new story."""
        probs = self.language.next_token_probs(input_ids)
        return SimpleNamespace(logits=probs.log().clamp(min=IMPOSSIBLE_LOGIT).float())
