"""Only ui/state/ touches the session keys of choices: read from the source, without running it."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.helpers.paths import ROOT
from ui.state import link
from ui.state.heads import HEADS
from ui.state.inspect import INSPECT
from ui.state.steps import STEPS
from ui.state.watch import WATCH

KEYS = {page.prefix + name for page in (INSPECT, HEADS, STEPS, WATCH) for name in link.names(page.of)}


def is_session(node: ast.AST, aliases: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in aliases
    return isinstance(node, ast.Attribute) and node.attr == "session_state"


def assignments(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Each target with its value, also in `a, b = 1, 2`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    yield from zip(target.elts, node.value.elts, strict=False)
                elif node.value is not None:
                    yield target, node.value


def patterns(key: ast.AST, constants: dict[str, str]) -> Iterator[str]:
    """The regular expression of a key that is written out, or an f-string, or a constant of the file."""
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        yield re.escape(key.value)
    elif isinstance(key, ast.JoinedStr):
        parts = [re.escape(part.value) if isinstance(part, ast.Constant) else ".*" for part in key.values]
        yield "".join(parts)
    elif isinstance(key, ast.Name) and key.id in constants:
        yield re.escape(constants[key.id])


def touched(source: str) -> list[str]:
    """The keys of choices that a source reads or writes in `st.session_state`, or gives to a widget."""
    tree = ast.parse(source)
    aliases = {"session_state"}
    constants = {}
    for target, value in assignments(tree):
        if isinstance(target, ast.Name) and is_session(value, aliases):
            aliases.add(target.id)
        elif isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
            constants[target.id] = value.value
    keys: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_session(node.value, aliases):
            keys.append(ast.Constant(node.attr))
        elif isinstance(node, ast.Subscript) and is_session(node.value, aliases):
            keys.append(node.slice)
        elif isinstance(node, ast.Compare) and any(is_session(each, aliases) for each in node.comparators):
            keys.append(node.left)
        elif isinstance(node, ast.Call):
            keys += [keyword.value for keyword in node.keywords if keyword.arg == "key"]
            of_session = isinstance(node.func, ast.Attribute) and is_session(node.func.value, aliases)
            by_name = isinstance(node.func, ast.Name) and node.args and is_session(node.args[0], aliases)
            if of_session:  # get, pop, setdefault, update
                keys += [*node.args[:1], *(ast.Constant(keyword.arg) for keyword in node.keywords)]
                keys += [key for each in node.args if isinstance(each, ast.Dict) for key in each.keys if key]
            elif by_name:  # getattr, setattr
                keys += node.args[1:2]
    found = {pattern for key in keys for pattern in patterns(key, constants)}
    return sorted(key for key in KEYS if any(re.fullmatch(pattern, key) for pattern in found))


def files() -> list:
    return [path for path in sorted((ROOT / "ui").rglob("*.py")) if path.parent.name != "state"] + [ROOT / "app.py"]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_state_touches_the_keys_of_choices(path):
    assert touched(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ("st.session_state.layer", ["layer"]),
        ("st.session_state['watch seed'] = 3", ["watch seed"]),
        ("session = st.session_state\nsession.token = session.token", ["token"]),
        ("choice, session = now(), st.session_state\nif session.get('generate'): pass", ["generate"]),
        ("session: Any = st.session_state\ndel session['text']", ["text"]),
        ("from streamlit import session_state\nsession_state.text", ["text"]),
        ("st.session_state.pop('steps_query', None)", ["steps_query"]),
        ("st.session_state.update(layer=1, other=2)", ["layer"]),
        ("st.session_state.update({'head': 1})", ["head"]),
        ("'kind' in st.session_state", ["kind"]),
        ("getattr(st.session_state, 'pair')", ["pair"]),
        ("KEY = 'watch rate'\nst.session_state[KEY]", ["watch rate"]),
        ("st.session_state[f'steps_{name}_token']", ["steps_key_token", "steps_query_token"]),
        ("st.selectbox('Layer', range(3), key='layer')", ["layer"]),
        ("st.session_state['steps_version']; choice.layer; INSPECT.current().head; args.get('text')", []),
        ("session = st.session_state\nsession['typed model'] = model.layer", []),
    ],
)
def test_the_check_finds_what_touches_them(source, keys):
    assert touched(source) == keys
