"""Every example of docs/PYTHON.md runs, from top to bottom."""

import pathlib
import re

from datasets import put_digits, put_photos, put_shards

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "PYTHON.md"


def test_the_examples_of_the_page_run(client, folder):
    put_digits(client, "/page", "digits", 500)
    put_photos(client, "/page", "photos")
    put_shards(client, "/page", "shards")
    text = PAGE.read_text()
    names = {"folder": folder, "__name__": "page"}
    blocks = list(re.finditer("```python\n(.*?)```", text, re.DOTALL))
    assert len(blocks) >= 10
    for block in blocks:
        # The line numbers of a traceback are those of the page.
        exec(compile("\n" * text[: block.start(1)].count("\n") + block.group(1), str(PAGE), "exec"), names)
