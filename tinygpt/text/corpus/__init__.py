"""Where text comes from, and which part of it is held out."""

from tinygpt.text.corpus.documents import Corpus, Document, split
from tinygpt.text.corpus.embedded import embedded_english
from tinygpt.text.corpus.files import read_files, text_files

__all__ = ["Corpus", "Document", "embedded_english", "read_files", "split", "text_files"]
