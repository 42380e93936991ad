"""
Write a llama model of random weights: `python random_gguf.py FILE LAYERS WIDTH`.

Runs inside the rig's own environment, which has gguf and numpy; the project's has not. The same
arguments give the same file. Its vocabulary is one token per byte, so that prompts have known
lengths, and its words are noise: only its load and its timing are real.
"""

import importlib
import sys
from typing import Any

# Not an import statement: type checkers run where gguf is absent.
gguf: Any = importlib.import_module("gguf")
numpy: Any = importlib.import_module("numpy")

HEADS = 4
KV_HEADS = 2
VOCABULARY = 384
CHAT_TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"


def main(path: str, layers: int, width: int) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, layers, width)
    _add_tokenizer(writer)
    random = numpy.random.default_rng(20)
    for name, shape in _shapes(layers, width).items():
        if name.endswith("norm.weight"):
            values = numpy.ones(shape, dtype=numpy.float32)
        else:
            values = random.normal(0, shape[-1] ** -0.5, shape).astype(numpy.float32)
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: Any, layers: int, width: int) -> None:
    writer.add_name("tiny-random")
    writer.add_context_length(8192)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // HEADS)
    writer.add_vocab_size(VOCABULARY)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _add_tokenizer(writer: Any) -> None:
    kind = gguf.TokenType
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    types = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL, *([kind.BYTE] * 256)]
    fillers = [f"<filler{index}>" for index in range(VOCABULARY - len(tokens))]
    tokens += fillers
    types += [kind.NORMAL] * len(fillers)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT_TEMPLATE)


def _shapes(layers: int, width: int) -> dict[str, tuple[int, ...]]:
    kv_width = width // HEADS * KV_HEADS
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (VOCABULARY, width),
        "output_norm.weight": (width,),
        "output.weight": (VOCABULARY, width),
    }
    for layer in range(layers):
        block = f"blk.{layer}"
        shapes |= {
            f"{block}.attn_norm.weight": (width,),
            f"{block}.attn_q.weight": (width, width),
            f"{block}.attn_k.weight": (kv_width, width),
            f"{block}.attn_v.weight": (kv_width, width),
            f"{block}.attn_output.weight": (width, width),
            f"{block}.ffn_norm.weight": (width,),
            f"{block}.ffn_gate.weight": (2 * width, width),
            f"{block}.ffn_up.weight": (2 * width, width),
            f"{block}.ffn_down.weight": (width, 2 * width),
        }
    return shapes


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
