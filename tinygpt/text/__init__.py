"""Characters become batches of token ids: corpus, tokenizer, batches. Knows nothing of gradients."""
