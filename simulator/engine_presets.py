"""Engine figures by name: a model of a size and format on the GPUs that one replica holds.

Decoding reads every weight once a step, so the base of a step is about the weights of one GPU over
its memory bandwidth, and half as much again for what is not overlapped; a prompt token costs two
floating-point operations a parameter at about half the data sheet's rate. The sizes are those that
public measurements of such models show; they are no promise about any one model.
"""

from collections.abc import Mapping

from simulator.engine import EngineModel

PRESETS: Mapping[str, EngineModel] = {
    "70b-fp8-2xh100": EngineModel(
        base=0.0185,
        per_request=0.00045,
        per_kv_token=9.0e-8,
        per_prefill_token=0.00011,
        kv_tokens=140_000,
        max_requests=128,
        max_batched_tokens=4096,
        max_context=32_768,
        load_seconds=95.0,
    ),
    "8b-bf16-l40s": EngineModel(
        base=0.0190,
        per_request=0.00035,
        per_kv_token=1.2e-7,
        per_prefill_token=0.00009,
        kv_tokens=180_000,
        max_requests=128,
        max_batched_tokens=4096,
        max_context=32_768,
        load_seconds=60.0,
    ),
    "3b-q4-l4": EngineModel(
        base=0.0130,
        per_request=0.0016,
        per_kv_token=2.5e-7,
        per_prefill_token=0.00011,
        kv_tokens=65_536,
        max_requests=8,
        max_batched_tokens=2048,
        max_context=16_384,
        load_seconds=20.0,
    ),
    "123b-fp8-4xh200": EngineModel(
        base=0.0165,
        per_request=0.00050,
        per_kv_token=6.0e-8,
        per_prefill_token=0.00010,
        kv_tokens=420_000,
        max_requests=192,
        max_batched_tokens=8192,
        max_context=65_536,
        load_seconds=140.0,
    ),
    "14b-bf16-a100": EngineModel(
        base=0.0195,
        per_request=0.00030,
        per_kv_token=1.0e-7,
        per_prefill_token=0.00017,
        kv_tokens=230_000,
        max_requests=128,
        max_batched_tokens=4096,
        max_context=32_768,
        load_seconds=70.0,
    ),
    "7b-q4-l4": EngineModel(
        base=0.0200,
        per_request=0.0019,
        per_kv_token=3.0e-7,
        per_prefill_token=0.00020,
        kv_tokens=98_304,
        max_requests=12,
        max_batched_tokens=2048,
        max_context=16_384,
        load_seconds=30.0,
    ),
    "7b-q4-rtx4090": EngineModel(
        base=0.0075,
        per_request=0.0009,
        per_kv_token=1.5e-7,
        per_prefill_token=0.00013,
        kv_tokens=65_536,
        max_requests=8,
        max_batched_tokens=2048,
        max_context=16_384,
        load_seconds=15.0,
    ),
    "moe-671b-fp8-8xh200": EngineModel(
        base=0.0280,
        per_request=0.00090,
        per_kv_token=3.0e-8,
        per_prefill_token=0.00006,
        kv_tokens=700_000,
        max_requests=256,
        max_batched_tokens=8192,
        max_context=65_536,
        load_seconds=420.0,
    ),
}
