"""Reading text, parting it, and the English that comes with Python."""

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tinygpt.errors import BadInput
from tinygpt.text.corpus import Corpus, Document, embedded, embedded_english, read_files, split
from tinygpt.text.corpus.prose import paragraphs
from tinygpt.text.pairs import read_pairs
from tinygpt.text.reading import read_chunks
from tinygpt.text.tokenizer import load_tokenizer

pytestmark = pytest.mark.core

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def corpus_of(*texts: str) -> Corpus:
    return Corpus("test", tuple(Document(str(place), text) for place, text in enumerate(texts)))


def sentences(count: int, start: int = 0) -> list[str]:
    return [f"Document number {number} says {hash_word(number)}. " * 5 for number in range(start, start + count)]


def hash_word(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:12]


class TestSplit:
    def test_one_document_is_cut_as_nanogpt_cuts_it(self):
        for length in (10, 99, 1115394):
            text = "ab" * (length // 2) + "c" * (length % 2)
            train, validation = split(corpus_of(text))
            assert train.texts == [text[: int(length * 0.9)]]
            assert validation.texts == [text[int(length * 0.9) :]]

    @pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
    def test_neither_side_is_empty(self, share):
        for corpus in (corpus_of("ab"), corpus_of("a", "b"), corpus_of(*sentences(3))):
            assert all(side.n_bytes > 0 for side in split(corpus, share))

    def test_documents_stay_whole_and_in_order(self):
        corpus = corpus_of(*sentences(200))
        sides = split(corpus)
        assert sorted(doc for side in sides for doc in side.documents) == sorted(corpus.documents)
        for side in sides:
            assert list(side.documents) == sorted(side.documents, key=corpus.documents.index)

    def test_about_a_tenth_is_held_out(self):
        corpus = corpus_of(*sentences(1000))
        assert 0.07 < split(corpus)[1].n_bytes / corpus.n_bytes < 0.13

    def test_more_documents_move_no_others(self):
        before = set(split(corpus_of(*sentences(200)))[1].texts)
        after = set(split(corpus_of(*sentences(300)))[1].texts)
        assert before <= after and not (after - before) & set(sentences(200))

    def test_copies_stay_on_one_side(self):
        train, validation = split(corpus_of(*sentences(50), *sentences(50)))
        assert not set(train.texts) & set(validation.texts)

    def test_a_huge_document_is_never_the_one_held_out(self):
        for variant in range(40):
            train, validation = split(corpus_of(f"{variant} " * 10_000, *sentences(2)))
            assert validation.n_bytes < train.n_bytes

    @pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
    def test_nonsense_shares_are_refused(self, share):
        with pytest.raises(BadInput, match="between 0 and 1"):
            split(corpus_of("some text"), share)

    def test_nothing_to_part_is_refused(self):
        with pytest.raises(BadInput, match="too short"):
            split(corpus_of("a"))


def test_the_fingerprint_sees_order_and_boundaries():
    different = [("ab", "c"), ("a", "bc"), ("c", "ab"), ("abc",), ("ab", "c", "")]
    assert len({corpus_of(*texts).fingerprint for texts in different}) == len(different)
    assert corpus_of("ab", "c").fingerprint == corpus_of("ab", "c").fingerprint


class TestFiles:
    def test_directories_are_read_recursively_and_sorted(self, tmp_path):
        for name in ("b.txt", "a.md", "sub/c.RST", ".hidden.txt", ".git/d.txt", "picture.png", "sub/empty.txt"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("" if "empty" in name else f"text of {name}")
        assert read_files([tmp_path]).texts == ["text of a.md", "text of b.txt", "text of sub/c.RST"]
        assert len(read_files([tmp_path, tmp_path / "b.txt"]).documents) == 3, "a file was read twice"
        assert read_files([tmp_path / "b.txt", f"{tmp_path}/./b.txt"]).name == f"{tmp_path / 'b.txt'}"
        assert read_files([tmp_path / "picture.png"]).texts == ["text of picture.png"]

    def test_mark_and_line_ends_are_normalised(self, tmp_path):
        (tmp_path / "dos.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
        assert read_files(tmp_path / "dos.txt").texts == ["one\ntwo\nthree\n"]

    def test_other_encodings(self, tmp_path):
        for encoding in ("latin-1", "utf-16", "cp1252"):
            (tmp_path / "t").write_bytes("déjà vu".encode(encoding))
            assert read_files([tmp_path / "t"], encoding).texts == ["déjà vu"]

    def test_bad_input_names_the_file_and_the_remedy(self, tmp_path):
        (tmp_path / "empty.txt").write_text(" \n")
        (tmp_path / "latin.txt").write_bytes(b"caf\xe9 au lait")
        (tmp_path / "nothing").mkdir()
        (tmp_path / "windows.txt").write_text("naïve", encoding="utf-16")
        (tmp_path / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
        for path, encoding, message in (
            ("absent.txt", "utf-8", r"absent\.txt does not exist"),
            ("empty.txt", "utf-8", r"empty\.txt is empty"),
            ("latin.txt", "utf-8", r"latin\.txt is not utf-8: byte 3 is 0xe9.*encoding='latin-1'"),
            ("windows.txt", "utf-8", r"encoding='utf-16'"),
            ("picture.txt", "utf-8", r"probably no text"),
            ("nothing", "utf-8", r"nothing has no text to read.*\.txt"),
            ("latin.txt", "klingon", r"'klingon' is not a text encoding"),
            ("latin.txt", "hex", r"'hex' is not a text encoding"),
        ):
            with pytest.raises(BadInput, match=message):
                read_files([tmp_path / path], encoding)
        for paths, message in (([], "no file"), ([""], "empty name"), (["-"], "standard input is /dev/stdin")):
            with pytest.raises(BadInput, match=message):
                read_files(paths)

    @pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero, a device without an end")
    def test_a_device_is_not_read_for_ever(self):
        for read in (read_files, read_pairs, load_tokenizer, lambda path: next(read_chunks(path))):
            with pytest.raises(BadInput, match="/dev/zero is a device: name a file"):
                read("/dev/zero")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_pipe_is_read_to_its_end(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with ThreadPoolExecutor() as pool:
            pool.submit((tmp_path / "pipe").write_text, "from a pipe")
            assert read_files([tmp_path / "pipe"]).texts == ["from a pipe"]

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this user may read every file")
    def test_a_forbidden_file_is_named(self, tmp_path):
        (tmp_path / "secret.txt").write_text("text")
        (tmp_path / "secret.txt").chmod(0)
        with pytest.raises(BadInput, match=r"secret\.txt cannot be read"):
            read_files([tmp_path / "secret.txt"])

    def test_tiny_shakespeare_comes_unchanged(self):
        path = DATA / "pretrain" / "tinyshakespeare.txt"
        if not path.exists():
            pytest.skip("no shared/data/pretrain/tinyshakespeare.txt beside the repository")
        corpus = read_files([path])
        assert corpus.texts[0].encode() == path.read_bytes() and corpus.n_bytes == path.stat().st_size


class TestProse:
    def test_prose_is_reflowed_and_everything_else_dropped(self):
        documentation = """Return the left-
        hand side of the :class:`~ast.Assign` given, as ``x`` is *not* used. For example:

            >>> side = left(tree)

        Syntax of the thing
        ===================

           stmt ::= target "=" expression

        ====  =====================
        name  what the name is for
        ====  =====================

        :param tree: the tree that is to be used by it

        - Use this one only when there is nothing else
          that you can do about it.
        - short one

        left(tree, *, side=None)
        """
        assert list(paragraphs(documentation)) == [
            "Return the left-hand side of the ast.Assign given, as x is not used.",
            "Use this one only when there is nothing else that you can do about it.",
        ]

    @pytest.mark.parametrize("text", ["", "\n \n", ":", "...", "for x in range(10):\n    print(x)", "A" * 5000])
    def test_what_is_no_prose_gives_nothing(self, text):
        assert list(paragraphs(text)) == []


class TestEmbeddedEnglish:
    def test_docstrings_come_in_the_order_of_the_source(self):
        source = '"one"\nif x:\n  class A:\n    "two"\n    def f(): "three"\nelse:\n  async def g(): "four"\n"not"\n'
        assert list(embedded.docstrings(source)) == ["one", "two", "three", "four"]
        assert list(embedded.docstrings("not python (")) == []

    def test_a_python_without_sources_offers_data(self, monkeypatch, tmp_path):
        monkeypatch.setattr(embedded.sysconfig, "get_path", lambda name: str(tmp_path))
        monkeypatch.setitem(sys.modules, "pydoc_data.topics", type(sys)("topics"))
        with pytest.raises(BadInput, match=r"no pydoc_data.*--data"):
            embedded_english.__wrapped__()
        sys.modules["pydoc_data.topics"].topics = {"if": "The if statement is used for conditional execution."}
        with pytest.raises(BadInput, match=r"without source files.*--data"):
            embedded_english.__wrapped__()
