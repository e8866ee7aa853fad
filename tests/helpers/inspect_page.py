"""Run the Inspect page without a browser."""

from streamlit.testing.v1 import AppTest

from tests.helpers.page_elements import charts
from tests.helpers.paths import APP

SECONDS = 240


def run(**parameters: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=SECONDS)
    app.query_params.update(parameters)
    app.run()
    assert not app.exception
    return app


def heatmap(app: AppTest) -> dict:
    return charts(app)[0]


def messages(app: AppTest) -> list[str]:
    return [element.value.replace("\\", "") for element in (*app.warning, *app.error, *app.info)]
