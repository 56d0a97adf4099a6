"""A real HTTP server that speaks the protocol of OpenAI's chat completions, with a tiny model behind it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from training.checkpoints import load_policy
from training.contracts import Message
from training.sampling import sample
from training.tokens import decode_response, encode_prompt

Handler = BaseHTTPRequestHandler
Fault = Callable[[Handler], None]


@dataclass
class ChatServer:
    """`faults` are used up one by one, each in place of an answer; None is no fault."""

    policy: Path | None = None
    key: str = ""
    most_choices: int = 99
    """So many an answer has at most, whatever is asked for."""
    usage: bool = True
    faults: list[Fault | None] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def settings(self) -> dict[str, Any]:
        """What the operator says of it."""
        url = f"http://127.0.0.1:{self.port}/v1"
        return {"name": "tiny", "url": url, "model": "tiny-1", "timeout_seconds": 20.0, "parallel": 3}

    def handle(self, handler: Handler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            self.asked.append(body)
            fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            fault(handler)
        elif self.key and handler.headers["Authorization"] != f"Bearer {self.key}":
            said = f"Incorrect API key provided: {handler.headers['Authorization']}"
            answer(handler, 401, {"error": {"message": said}})
        elif handler.path != "/v1/chat/completions":
            answer(handler, 404, {"error": {"message": "no such route"}})
        else:
            with self._lock:
                answer(handler, 200, self.completion(body))

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        count = min(body["n"], self.most_choices)
        if self.policy is None:
            return chat_completion([(f"{body['seed']}-{n}", "stop") for n in range(count)], 5, 7 * count)
        model, tokenizer = load_policy(self.policy)
        messages = [Message(message["role"], message["content"]) for message in body["messages"]]
        prompt = encode_prompt(tokenizer, messages, 99)
        samples = sample(
            model, [prompt], [1], end=tokenizer.eos_token_id, pad=0, limit=body["max_tokens"],
            seed=body["seed"], temperature=body["temperature"], top_p=body["top_p"], copies=count,
        )  # fmt: skip
        choices = [
            (decode_response(tokenizer, response), "stop" if ended else "length")
            for response, ended in zip(samples.responses, samples.finished.tolist(), strict=True)
        ]
        written = chat_completion(choices, len(prompt), int(samples.mask.sum()))
        return written if self.usage else {**written, "usage": None}


def chat_completion(choices: list[tuple[str, str]], read: int, written: int) -> dict[str, Any]:
    return {
        "object": "chat.completion",
        "choices": [
            {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
            for index, (text, reason) in enumerate(choices)
        ],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    }


def answer(handler: Handler, status: int, body: Any, **headers: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def status(code: int, **headers: str) -> Fault:
    return lambda handler: answer(handler, code, {"error": {"message": f"status {code}"}}, **headers)


def says(body: Any, code: int = 200) -> Fault:
    return lambda handler: answer(handler, code, body)


def hangs(handler: Handler) -> None:
    time.sleep(1)


def drips(handler: Handler) -> None:
    """Never silent for as long as a second, and never done."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(50):
        try:
            handler.wfile.write(b" ")
        except OSError:
            return
        time.sleep(0.1)


def cuts(handler: Handler) -> None:
    """Half an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


@contextmanager
def serving(server: ChatServer) -> Iterator[ChatServer]:
    class Answering(Handler):
        def do_POST(self) -> None:
            server.handle(self)

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as listening:
        listening.daemon_threads = True
        server.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
