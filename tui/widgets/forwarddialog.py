"""The question before a port-forward: which port there, which one here."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from tui.forwarding import Offer, local_for
from tui.widgets.dialogs import FormDialog
from tui.widgets.fields import Field


@dataclass(frozen=True, slots=True)
class ForwardAnswer:
    """`pairs` are (port there: number or name, port here: 0 for any that is free)."""

    pairs: tuple[tuple[str, int], ...]
    address: str


class ForwardDialog(FormDialog[ForwardAnswer]):
    """Several ports at once are written `80,443`; `here` then takes as many."""

    def __init__(self, what: str, offers: Sequence[Offer]) -> None:
        super().__init__()
        self._what, self._offers = what, list(offers)

    def compose(self) -> ComposeResult:
        first = self._offers[0] if self._offers else None
        with Vertical(classes="dialog"):
            yield Label(f"Forward a local port to {self._what}", classes="dialog-title")
            if self._offers:
                yield Static("\n".join(f"  {offer.words}" for offer in self._offers[:8]), classes="dialog-names")
            else:
                yield Static("It names no ports; any that it listens on will do.", classes="dialog-names")
            for name, label, value in (
                ("port", "Port there", first.port if first else ""),
                ("local", "Port here ", str(first.local) if first else ""),
                ("address", "Address   ", "127.0.0.1"),
            ):
                with Horizontal(classes="dialog-line"):
                    yield Label(f"{label}  ", classes="dialog-label")
                    yield Field(value, compact=True, id=name, select_on_focus=True)
            yield Static("", id="note", classes="dialog-note")
            yield from self.buttons("Forward")

    def on_mount(self) -> None:
        self.query_one("#local" if self._offers else "#port", Input).focus()
        self._tell()

    @on(Input.Changed, "#port")
    def _follow(self, event: Input.Changed) -> None:
        """The port here follows the one there."""
        if not self.is_mounted:
            return
        locals_ = [self._local_of(port) for port in _words(event.value)]
        if all(locals_):
            self.query_one("#local", Input).value = ",".join(locals_)

    def _local_of(self, port: str) -> str:
        for offer in self._offers:
            if offer.port == port:
                return str(offer.local)
        return str(local_for(int(port))) if port.isdigit() else ""

    @on(Input.Changed)
    def _tell(self) -> None:
        answer = self._answer()
        if isinstance(answer, str):
            words = answer
        else:
            here = ", ".join(str(local) if local else "a free port" for _, local in answer.pairs)
            reach = "" if _is_loopback(answer.address) else "  Others in the network can reach it."
            words = f"{answer.address}:{here} → {', '.join(port for port, _ in answer.pairs)}.{reach}"
        self.query_one("#note", Static).update(words)

    def _answer(self) -> ForwardAnswer | str:
        """What was asked for, or what is wrong with it."""
        ports = _words(self.query_one("#port", Input).value)
        here = _words(self.query_one("#local", Input).value)
        address = self.query_one("#address", Input).value.strip()
        if not ports:
            return "Port there: a number, or the name of a port"
        for port in ports:
            if port.isdigit() and not 0 < int(port) < 65536:
                return f"Port there: {port} is not between 1 and 65535"
        for port in here:
            if not port.isdigit() or int(port) > 65535:
                return f"Port here: {port} is not a port; 0 takes any that is free"
        if len(here) != len(ports):
            return f"Port here: {len(ports)} wanted, {len(here)} given"
        if len(set(here) - {"0"}) != len([port for port in here if port != "0"]):
            return "Port here: each may be used once"
        if address != "localhost":
            try:
                ipaddress.ip_address(address)
            except ValueError:
                return f'Address: "{address}" is no address of this machine'
        return ForwardAnswer(tuple(zip(ports, map(int, here), strict=True)), address)

    def finish(self) -> None:
        answer = self._answer()
        if isinstance(answer, ForwardAnswer):
            self.dismiss(answer)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _is_loopback(address: str) -> bool:
    return address == "localhost" or ipaddress.ip_address(address).is_loopback
