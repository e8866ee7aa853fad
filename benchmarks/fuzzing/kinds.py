"""The kinds of hostile input: a new one is a function that makes an input, one that runs it, and an entry here."""

from functools import partial

from benchmarks.fuzzing import archives, folders, links, pages, pictures, texts, traces
from benchmarks.fuzzing.checks import Kind

KINDS = {
    kind.name: kind
    for kind in (
        Kind("text", texts.make_text, texts.read_text, 1800),
        Kind("name", texts.make_name, texts.open_name, 200),
        Kind("link inspect", partial(links.make_link, "inspect"), links.read_inspect, 1000),
        Kind("link steps", partial(links.make_link, "steps"), links.read_steps, 1000),
        Kind("link watch", partial(links.make_link, "watch"), links.read_watch, 800),
        Kind("page", pages.make_page, pages.open_page, 300, pages=True),
        Kind("widgets", pages.make_widgets, pages.open_page, 400, pages=True),
        Kind("archive", archives.make_archive, archives.read_archive, 1000),
        Kind("traces", traces.make_trace, traces.read_trace, 1000),
        Kind("picture", pictures.make_picture, pictures.check_picture, 1000),
        Kind("config", partial(folders.make_folder, "config.json"), folders.open_folder, 700),
        Kind("tokenizer", partial(folders.make_folder, "tokenizer.json"), folders.open_folder, 600),
        Kind("tokenizer config", partial(folders.make_folder, "tokenizer_config.json"), folders.open_folder, 400),
        Kind("preprocessor", partial(folders.make_folder, "preprocessor_config.json"), folders.open_folder, 300),
        Kind("generation", partial(folders.make_folder, "generation_config.json"), folders.open_folder, 200),
        Kind("weights", partial(folders.make_folder, folders.WEIGHTS), folders.open_folder, 200),
        Kind("index", partial(folders.make_folder, folders.INDEX), folders.open_folder, 100),
    )
}
