"""Heads that the zoo does not try, and why: a head that is not listed here and is not built fails its test.

Each is written as `family-class`.
"""

# Headlight loads another class for what the zoo's config of the family says.
LOADED_AS_ANOTHER = """
    bart-BartForCausalLM bert-BertLMHeadModel big_bird-BigBirdForCausalLM blip-2-Blip2ForConditionalGeneration
    camembert-CamembertForCausalLM canary-CanaryForConditionalGeneration clip-CLIPForImageClassification
    cohere_asr-CohereAsrForConditionalGeneration data2vec-text-Data2VecTextForCausalLM electra-ElectraForCausalLM
    ernie-ErnieForCausalLM imagegpt-ImageGPTForImageClassification instructblip-InstructBlipForConditionalGeneration
    instructblipvideo-InstructBlipVideoForConditionalGeneration kosmos-2-Kosmos2ForConditionalGeneration
    mbart-MBartForCausalLM megatron-bert-MegatronBertForCausalLM metaclip_2-MetaClip2ForImageClassification
    moonshine-MoonshineForConditionalGeneration moonshine_streaming-MoonshineStreamingForConditionalGeneration
    mvp-MvpForCausalLM perceiver-PerceiverForImageClassificationConvProcessing
    perceiver-PerceiverForImageClassificationFourier perceiver-PerceiverForImageClassificationLearned
    pp_lcnet-PPLCNetForImageClassification rembert-RemBertForCausalLM roberta-RobertaForCausalLM
    roberta-prelayernorm-RobertaPreLayerNormForCausalLM roc_bert-RoCBertForCausalLM roformer-RoFormerForCausalLM
    shieldgemma2-ShieldGemma2ForImageClassification siglip-SiglipForImageClassification
    siglip2-Siglip2ForImageClassification speech-encoder-decoder-SpeechEncoderDecoderModel
    speech_to_text-Speech2TextForConditionalGeneration speecht5-SpeechT5ForSpeechToText
    t5gemma-T5GemmaForSequenceClassification t5gemma-T5GemmaForTokenClassification
    t5gemma2-T5Gemma2ForSequenceClassification t5gemma2-T5Gemma2ForTokenClassification whisper-WhisperForCausalLM
    whisper-WhisperForConditionalGeneration xlm-roberta-XLMRobertaForCausalLM xlm-roberta-xl-XLMRobertaXLForCausalLM
    xmod-XmodForCausalLM
""".split()  # noqa: SIM905
# More parameters than `MAX_PARAMETERS` with the zoo's small sizes.
NOT_SMALL = """
    blt-BltForCausalLM chameleon-ChameleonForConditionalGeneration
    cohere2_vision-Cohere2VisionForConditionalGeneration deepseek_vl_hybrid-DeepseekVLHybridForConditionalGeneration
    dia-DiaForConditionalGeneration efficientnet-EfficientNetForImageClassification
    emu3-Emu3ForConditionalGeneration florence2-Florence2ForConditionalGeneration
    focalnet-FocalNetForImageClassification gemma3n_text-Gemma3nForCausalLM gemma4-Gemma4ForConditionalGeneration
    glm46v-Glm46VForConditionalGeneration glm4v-Glm4vForConditionalGeneration
    glm4v_moe-Glm4vMoeForConditionalGeneration glm_ocr-GlmOcrForConditionalGeneration
    glmga-Glm46VForConditionalGeneration granite_speech-GraniteSpeechForConditionalGeneration
    granite_speech_plus-GraniteSpeechPlusForConditionalGeneration hgnet_v2-HGNetV2ForImageClassification
    janus-JanusForConditionalGeneration llama4-Llama4ForConditionalGeneration longcat_flash-LongcatFlashForCausalLM
    muse_glimmer-MuseGlimmerForConditionalGeneration perceiver-PerceiverForMaskedLM
    perceiver-PerceiverForSequenceClassification phi4_multimodal-Phi4MultimodalForCausalLM
    pp_formulanet-PPFormulaNetForConditionalGeneration
    qwen3_omni_moe_thinker-Qwen3OmniMoeThinkerForConditionalGeneration seamless_m4t-SeamlessM4TForSpeechToText
    seamless_m4t_v2-SeamlessM4Tv2ForSpeechToText textnet-TextNetForImageClassification
    unlimited_ocr-UnlimitedOcrForConditionalGeneration vibevoice-VibeVoiceForConditionalGeneration
    vibevoice_asr-VibeVoiceAsrForConditionalGeneration
""".split()  # noqa: SIM905
# They need a library that is not installed.
NOT_INSTALLED = """
    dinat-DinatForImageClassification fast_vlm-FastVlmForConditionalGeneration
    gemma3n-Gemma3nForConditionalGeneration layoutlmv2-LayoutLMv2ForQuestionAnswering
    layoutlmv2-LayoutLMv2ForSequenceClassification layoutlmv2-LayoutLMv2ForTokenClassification
    perception_lm-PerceptionLMForConditionalGeneration timm_wrapper-TimmWrapperForImageClassification
""".split()  # noqa: SIM905
# The zoo's configs or inputs do not fit them.
NOT_EXPRESSED = """
    bit-BitForImageClassification cohere_compass-CohereCompassForConditionalGeneration
    cohere_compass_text-CohereCompassForCausalLM cohere_compass_text-CohereCompassTextForSequenceClassification
    convnext-ConvNextForImageClassification convnextv2-ConvNextV2ForImageClassification
    cvt-CvtForImageClassification deepseek_ocr2-DeepseekOcr2ForConditionalGeneration
    diffusion_gemma-DiffusionGemmaForBlockDiffusion dots3_note-Dots3NoteForCausalLM
    dots3_note-Dots3NoteForConditionalGeneration emu3-Emu3ForCausalLM
    ernie4_5_vl_moe-Ernie4_5_VLMoeForConditionalGeneration fun_asr_nano-FunAsrNanoForConditionalGeneration
    gemma4_assistant-Gemma4AssistantForCausalLM gemma4_unified_assistant-Gemma4UnifiedAssistantForCausalLM
    glm5_next-Glm5NextForConditionalGeneration granite4_vision-Granite4VisionForConditionalGeneration
    granite_docling-GraniteDoclingForConditionalGeneration hiera-HieraForImageClassification
    hunyuan_vl-HunYuanVLForConditionalGeneration inkling2-Inkling2ForConditionalGeneration
    kimi_linear-KimiLinearForCausalLM kyutai_speech_to_text-KyutaiSpeechToTextForConditionalGeneration
    levit-LevitForImageClassification levit-LevitForImageClassificationWithTeacher llama4-Llama4ForCausalLM
    mamba2-Mamba2ForCausalLM mimo_v2_flash-MiMoV2FlashForCausalLM mistral4-Mistral4ForCausalLM
    mistral4-Mistral4ForSequenceClassification mistral4-Mistral4ForTokenClassification
    mobilevitv2-MobileViTV2ForImageClassification molmo2-Molmo2ForConditionalGeneration
    muse_spark-MuseSparkForConditionalGeneration musicgen-MusicgenForCausalLM
    musicgen_melody-MusicgenMelodyForCausalLM nemo_speechlm-Nemotron3_5TranscribeForConditionalGeneration
    nemotron-NemotronForCausalLM nemotron-NemotronForQuestionAnswering nemotron-NemotronForSequenceClassification
    nemotron-NemotronForTokenClassification nemotron_h_omni-NemotronH_Omni_Reasoning_V3 neomme-NeoMMEForMaskedLM
    pix2struct-Pix2StructForConditionalGeneration qwen2_5_omni_thinker-Qwen2_5OmniThinkerForConditionalGeneration
    qwen3_5-Qwen3_5ForCausalLM qwen3_5_moe-Qwen3_5MoeForCausalLM qwen4_exp-Qwen4ExpForCausalLM
    qwen4_exp-Qwen4ExpForConditionalGeneration qwen4_exp_text-Qwen4ExpForCausalLM
    voxtral_realtime-VoxtralRealtimeForConditionalGeneration zamba-ZambaForCausalLM
    zamba-ZambaForSequenceClassification zamba2-Zamba2ForCausalLM zamba2-Zamba2ForSequenceClassification
""".split()  # noqa: SIM905
NOT_TRIED = {*LOADED_AS_ANOTHER, *NOT_SMALL, *NOT_INSTALLED, *NOT_EXPRESSED}
