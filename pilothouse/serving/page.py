"""The page: a terminal that fills the window, from this server's own files alone."""

from html import escape

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static/css/xterm.css">
<style>
@font-face {{ font-family: "Roboto Mono"; font-weight: 100 700;
  src: url("static/fonts/RobotoMono-VariableFont_wght.ttf"); }}
@font-face {{ font-family: "Roboto Mono"; font-weight: 100 700; font-style: italic;
  src: url("static/fonts/RobotoMono-Italic-VariableFont_wght.ttf"); }}
html, body {{ margin: 0; height: 100%; overflow: hidden; background: #0c181f; color: #dbe6ec;
  font: 16px "Roboto Mono", monospace; }}
#terminal {{ height: 100%; }}
#words {{ position: fixed; inset: 0; display: flex; flex-direction: column; gap: 16px; align-items: center;
  justify-content: center; background: #0c181fe6; z-index: 10; }}
#again {{ display: none; font: inherit; padding: 8px 24px; }}
body.-first-byte #words {{ display: none; }}
body.-closed #words {{ display: flex; }}
body.-closed #again {{ display: block; }}
</style>
</head>
<body>
<div id="words"><div id="said">Opening {title} …</div><button id="again" type="button">Open it again</button></div>
<div id="terminal" class="textual-terminal" data-font-size="{font_size}"></div>
<script nonce="{nonce}">
const socket = new URL("ws", location.href);
socket.protocol = location.protocol === "https:" ? "wss:" : "ws:";
socket.search = "";
document.getElementById("terminal").dataset.sessionWebsocketUrl = socket.href;
document.getElementById("again").onclick = () => location.reload();
new MutationObserver(() => {{
  if (document.body.classList.contains("-closed")) {{
    document.getElementById("said").textContent = "The app has ended, or the way to it is cut.";
    document.getElementById("again").focus();
  }} else {{
    document.querySelector(".xterm-helper-textarea")?.focus();
  }}
}}).observe(document.body, {{ attributes: true }});
</script>
<script src="static/js/textual.js"></script>
</body>
</html>
"""

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def page(title: str, nonce: str, font_size: int) -> str:
    return _PAGE.format(title=escape(title), nonce=nonce, font_size=font_size)


def content_policy(nonce: str) -> str:
    """Nothing from elsewhere, nobody's frame; xterm.js sets styles of its own."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
