"""Byte-level BPE in the files of other libraries, read and written: GPT-2's two, tiktoken's ranks, tokenizer.json.

A reader returns the arguments of a `Tokenizer`, and a writer takes a tokenizer, so nothing here imports `bpe`. Readers
raise BadInput that names the file and the entry.
"""
