"""helpers.engine.model_parts: which models can be taken apart, and that trying one leaves no trace."""

import torch
from transformers import BertConfig, BertLMHeadModel

from helpers.engine.model_parts import backbone_and_head
from tests.small_models import small_gpt2, small_llama


def test_a_model_that_caps_its_logits_is_not_taken_apart():
    model = small_llama()
    assert backbone_and_head(model) is not None
    model.config.final_logit_softcapping = 30.0  # as Gemma does
    assert backbone_and_head(model) is None


def test_a_head_that_is_not_all_that_makes_the_logits_is_found_by_trying():
    settings = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = BertLMHeadModel(BertConfig(**settings, intermediate_size=16, is_decoder=True)).train()
    model.cls.predictions.transform.dense.weight.data *= 20
    assert isinstance(model.get_output_embeddings(), torch.nn.Linear)  # it looks plain, but a layer stands before it
    assert backbone_and_head(model) is None and model.training


def test_trying_a_model_changes_neither_its_mode_nor_the_random_numbers():
    model = small_gpt2(2, 8).train()
    model.transformer.h[0].eval()
    state = torch.get_rng_state()
    assert backbone_and_head(model) is not None
    assert model.training and not model.transformer.h[0].training and torch.equal(torch.get_rng_state(), state)
