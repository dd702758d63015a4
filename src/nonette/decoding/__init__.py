"""The autoregressive loop: cache, logits, sampling, over any callable."""
