"""Bytes that are not quite HTTP."""

from random import Random

_GET = b"GET /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\n"
_POST = b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_WEBSOCKET = (
    b"GET /api/v1/namespaces/default/pods/a/exec?command=a&container=c HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
)

_CASES = (
    b"\r\n\r\n\r\n",
    b"\x00" * 100,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET /\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET http://elsewhere/api HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    _GET,
    _GET + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    _GET + b"".join(b"X-%d: y\r\n" % number for number in range(5000)) + b"\r\n",
    _GET + b"No colon here\r\n\r\n",
    _GET + b" folded: x\r\n\r\n",
    _GET + b"A\x00B: c\r\n\r\n",
    _GET + b"A: b\nC: d\n\n",
    _GET + b"\xff\xfe: \x80\r\n\r\n",
    _GET + b"Host: y\r\nHost: z\r\n\r\n",
    _GET + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nabcde",
    _GET + b"Expect: nonsense\r\n\r\n",
    (_GET + b"\r\n") * 50,
    _POST + b"Content-Length: 10\r\n\r\n{}",
    _POST + b"Content-Length: -1\r\n\r\n{}",
    _POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    _POST + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    _POST + b"Content-Length: 4194304\r\n\r\n{}",
    _POST + b"Content-Length: x\r\n\r\n{}",
    _POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    _POST + b"Transfer-Encoding: gzip\r\n\r\n{}",
    _POST + b"Content-Length: 2\r\n\r\n{}" + _POST + b"Content-Length: 2\r\n\r\n[]" + _GET + b"\r\n",
    _CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    _CHUNKED + b"5\r\n{}\r\n0\r\n\r\n",
    _CHUNKED + b"ffffffffffffffffffff\r\n{}\r\n",
    _CHUNKED + b"-1\r\n{}\r\n0\r\n\r\n",
    _CHUNKED + b"2;" + b"x" * 50_000 + b"\r\n{}\r\n0\r\n\r\n",
    _CHUNKED + b"2\r\n{}",
    _CHUNKED + b"2\r\n{}\r\n0\r\nTrailer: " + b"x" * 50_000 + b"\r\n\r\n",
    _CHUNKED + b"1\r\n{\r\n" * 3000,
    _WEBSOCKET + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x05hello\xff\xff\xff",
    _WEBSOCKET + b"Sec-WebSocket-Key: x\r\n\r\n",
    _WEBSOCKET + b"\r\n" + b"\x82\xff" + b"\xff" * 200,
)


def garbage(random: Random) -> bytes:
    """Something that a broken or hostile client might send."""
    chosen = random.choice(_CASES)
    match random.randrange(4):
        case 0:
            at = random.randrange(len(chosen))
            return chosen[:at] + random.randbytes(random.randrange(1, 20)) + chosen[at:]
        case 1:
            return chosen[: random.randrange(1, len(chosen) + 1)]
        case _:
            return chosen
