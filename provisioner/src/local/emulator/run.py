"""Runs MiniStack for one project: on loopback only, with its state kept (see durable.py).

Written next to the state by `provision`, which starts it and sets its environment. With `--with-parent` it stops when
its standard input ends, which happens when the process that started it is gone, however it went.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import threading


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--home", required=True, help="where to note the process id, and that it lives")
    parser.add_argument("--build", required=True, help="noted, so that a newer `provision` knows to start a newer one")
    parser.add_argument("--with-parent", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    alive = hold(os.path.join(args.home, "alive.lock"))
    raise_file_limit()

    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack import app as gateway
    from ministack.core import iam_actions, lambda_runtime, persistence

    import durable

    durable.Keeper(gateway, persistence.STATE_DIR)
    authorize_statements(iam_actions)
    hasten(lambda_runtime)
    config = Config()
    config.bind = [f"127.0.0.1:{args.port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = "WARNING"
    asyncio.run(run(args, serve, guarded(gateway.app), config))
    # Threads of the emulator that wait on something must not hold up the end.
    sys.stdout.flush()
    alive.close()
    os._exit(0)


async def run(args, serve, app, config):
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if args.with_parent:
        threading.Thread(target=watch_parent, args=(loop, stop), daemon=True).start()
    note = os.path.join(args.home, "emulator.json")
    with open(f"{note}.partial", "w") as file:
        auth = os.environ.get("AUTH") == "true"
        json.dump({"pid": os.getpid(), "port": args.port, "build": args.build, "auth": auth}, file)
    os.replace(f"{note}.partial", note)
    await serve(app, config, shutdown_trigger=stop.wait)


def hold(path):
    """A lock that lasts as long as this process: a process id alone may long belong to another."""
    import fcntl

    file = open(path, "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("the emulator of this project is running already")
    return file


def watch_parent(loop, stop):
    while sys.stdin.buffer.read(4096):
        pass
    loop.call_soon_threadsafe(stop.set)
    # A stop that hangs would leave the emulator behind for ever.
    threading.Timer(20, os._exit, args=(1,)).start()


def guarded(app):
    """Keeps out MiniStack's own reset, which would go past the journal, and pages of other sites in a browser, which
    reach loopback too and know the keys. The stack's own API and sign-in page have rules of their own."""

    async def handle(scope, receive, send):
        refusal = None
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            own = scope["path"].startswith(("/_aws/execute-api/", "/oauth2/", "/login", "/logout"))
            if scope["path"] == "/_ministack/reset":
                refusal = b"use `provision local reset`\n"
            elif not own and not is_local(headers.get(b"origin", b"")):
                refusal = b"only pages of this machine may call the emulator\n"
        if refusal is None:
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": refusal})

    return handle


STATEMENT = re.compile(r"""\s*(?:(insert)\s+into|(update)|(delete)\s+from|(select)\b.*?\bfrom)\s+"?([\w.-]+)""", re.I | re.S)


def authorize_statements(actions):
    """AWS authorizes each PartiQL statement as what it does to its table (`dynamodb:PartiQLInsert`); MiniStack would
    ask for the name of the call, which is no action, on every resource. It has a hook for transactions, which are
    authorized by their parts too; statements go the same way. What is not understood stays refused."""
    checks = actions.dynamodb_transaction_checks

    def of_statements(action, body, region, account):
        if action.rpartition(":")[2] not in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"):
            return checks(action, body, region, account)
        try:
            call = json.loads(body)
            parts = call.get("Statements") or call.get("TransactStatements") or [call]
            found = [STATEMENT.match(part["Statement"]).groups() for part in parts]
        except (AttributeError, KeyError, TypeError, ValueError):
            return []
        named = [(next(filter(None, verbs)), table) for *verbs, table in found]
        return list(dict.fromkeys(
            (f"dynamodb:PartiQL{verb.capitalize()}", actions._dynamodb_table_arn(table, region, account))
            for verb, table in named
        ))

    actions.dynamodb_transaction_checks = of_statements


def hasten(runtime):
    """Two waits in each call of a function that nothing needs. The head and the body of an event are two writes, of
    which the second waits for the first to be acknowledged: 40 ms. And a function that logs nothing is waited for as
    if it might: what it logs it has written before it answers, so its lines are there or nearly so."""
    import socketserver

    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    drain = runtime.Worker._drain_stderr_bounded

    def drained(worker, first_line_wait=0.01, **rest):
        return drain(worker, min(first_line_wait, 0.01), **rest)

    runtime.Worker._drain_stderr_bounded = drained


def is_local(origin):
    from urllib.parse import urlsplit

    name = urlsplit(origin.decode("latin-1")).hostname or ""
    return not origin or name in ("localhost", "127.0.0.1", "::1") or name.endswith(".localhost")


def raise_file_limit():
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            pass


if __name__ == "__main__":
    main()
