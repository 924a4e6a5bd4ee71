"""The app in a browser: who may come in, the page, and one process of the app for each page.

Used by `pilothouse serve` alone. The browser's side, a terminal in a page, is textual-serve's; this side is ours,
because whoever reaches it can do all that its user can do.
"""
