"""Fields to type into, whose keys take effect in the order in which they were pressed."""

from textual.events import Key
from textual.widget import Widget
from textual.widgets import Input, TextArea


class Field(Input):
    """One line."""

    async def on_key(self, event: Key) -> None:
        await _act_at_once(self, event)


class Area(TextArea):
    """Many lines."""

    async def on_key(self, event: Key) -> None:
        await _act_at_once(self, event)


async def _act_at_once(widget: Widget, event: Key) -> None:
    """Do what the key is bound to in `widget` itself.

    Textual inserts a letter at once but sends any other key up to the app, which then looks for what it is bound to:
    letters typed meanwhile overtake it, so that ^u wipes out what was typed after it.
    """
    if event.is_printable:
        return
    bound = widget.screen.active_bindings.get(event.key)
    if bound is not None and bound.node is widget and bound.enabled:
        event.stop()
        event.prevent_default()
        await widget.run_action(bound.binding.action)
