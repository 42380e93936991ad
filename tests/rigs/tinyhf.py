"""
A Hugging Face model folder of random weights, made by code: nothing is downloaded.

The folder holds what a server needs to start with dummy weights: a Llama configuration of four
layers and a byte-level tokenizer. Every byte is one token, so texts have known lengths, and the
answers are noise. Standard library only; the same folder each time.
"""

from __future__ import annotations

import json
from pathlib import Path

VOCABULARY = 384
_BOS, _EOS = "<s>", "</s>"
_CHAT_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def write(folder: Path, *, context_tokens: int = 8192) -> Path:
    """Write the model into *folder*, which is made when missing."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": _BOS,
        "eos_token": _EOS,
        "model_max_length": context_tokens,
        "chat_template": _CHAT_TEMPLATE,
    }
    generation = {"bos_token_id": 0, "eos_token_id": 1}
    for name, content in {
        "config.json": _config(context_tokens),
        "generation_config.json": generation,
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": tokenizer_config,
    }.items():
        (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return folder


def _config(context_tokens: int) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": context_tokens,
        "initializer_range": 0.02,
        "tie_word_embeddings": False,
        "vocab_size": VOCABULARY,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "torch_dtype": "bfloat16",
    }


def _tokenizer() -> dict[str, object]:
    tokens = [_BOS, _EOS, *_byte_characters()]
    tokens += [f"<filler{index}>" for index in range(VOCABULARY - len(tokens))]
    special = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": identity, "content": token, **special}
            for identity, token in enumerate((_BOS, _EOS))
        ],
        "normalizer": None,
        "pre_tokenizer": {**byte_level, "use_regex": True},
        "post_processor": None,
        "decoder": {**byte_level, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: identity for identity, token in enumerate(tokens)},
            "merges": [],
        },
    }


def _byte_characters() -> list[str]:
    """The character that stands for each byte in byte-level tokenizers, as GPT-2 defined it."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(shifted)) for byte in range(256)]
