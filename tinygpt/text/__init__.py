"""From text to batches of token ids: corpus, tokenizer, batches. Nothing here knows about gradients."""
