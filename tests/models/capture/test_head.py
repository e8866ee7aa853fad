"""One row of what a body gave."""

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from models.capture.head import row_of


def test_a_pooled_state_as_wide_as_the_text_is_long_keeps_its_width():
    states, pooled = torch.randn(2, 7, 7), torch.randn(2, 7)
    output = BaseModelOutputWithPooling(states, pooled, attentions=(torch.rand(2, 3, 7, 7),))
    one = row_of(output, 1, 4)
    assert torch.equal(one.last_hidden_state, states[1:, :4])
    assert torch.equal(one.pooler_output, pooled[1:])
    assert one.attentions is None
