"""Which families show each thing that changes attention weights."""

FEATURES: dict[str, tuple[str, ...]] = {
    "scaling of the scores": ("gemma2", "granite", "t5"),
    "padding": ("bert", "llama", "bart", "t5", "deberta-v2", "bloom", "gpt_oss"),
    "causal mask": ("gpt2", "llama", "opt", "bloom"),
    "sliding window": ("modernbert", "mistral", "gemma2", "gpt_oss", "gpt_neo"),
    "packed texts": ("llama", "qwen2", "gemma2"),
    "grouped heads": ("llama", "qwen3", "gemma2", "gpt_bigcode"),
    "softcap": ("gemma2", "vaultgemma", "t5gemma"),
    "attention sinks": ("gpt_oss", "openai_privacy_filter", "flint"),
    "position bias": ("t5", "mt5", "umt5", "wav2vec2-conformer"),
    "rotary positions": ("llama", "gpt_neox", "modernbert", "phi"),
    "ALiBi": ("bloom", "mpt"),
    "keys chosen by an index": ("deepseek_v32", "glm_moe_dsa"),
}
