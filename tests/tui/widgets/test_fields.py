"""Keys that are typed ahead, faster than the app looks at them."""

from collections.abc import Callable

from textual.app import App, ComposeResult
from textual.events import Key
from textual.widgets import Input, TextArea

from tui.widgets.fields import Area, Field

NAMES = {":": "colon", ".": "full_stop"}


class _Typed(App[None]):
    def __init__(self, field: Callable[[], Field | Area]) -> None:
        super().__init__()
        self.field = field
        self.answers: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.field()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.answers.append(event.value)

    def type(self, *keys: str) -> None:
        """All at once, as a terminal hands them over."""
        for key in keys:
            self.post_message(Key(NAMES.get(key, key), key if len(key) == 1 else None))


async def test_what_is_typed_after_a_line_was_cleared_stays() -> None:
    app = _Typed(lambda: Field("nginx:1.27"))
    async with app.run_test() as pilot:
        app.type("ctrl+u", *"nginx:1.28", "enter")
        await pilot.pause(0.1)
        assert app.query_one(Input).value == "nginx:1.28"
        assert app.answers == ["nginx:1.28"]


async def test_enter_answers_with_what_was_typed_before_it() -> None:
    app = _Typed(Field)
    async with app.run_test() as pilot:
        app.type(*"pods", "enter", *"GR")
        await pilot.pause(0.1)
        assert app.answers == ["pods"]


async def test_letters_stay_between_the_moves_that_were_made_around_them() -> None:
    app = _Typed(lambda: Area("kind\n"))
    async with app.run_test() as pilot:
        app.type("end", *"s", "down", *"x", "home", *"y")
        await pilot.pause(0.1)
        assert app.query_one(TextArea).text == "kinds\nyx"
