"""Keeps whatever the emulator acknowledged, however its process dies.

MiniStack holds its state in memory and writes it out when it is stopped cleanly. This module adds, from outside and
in this process only:

* a journal for DynamoDB: every change of an item, every stream record and every change of a table is appended to a
  file before the request that caused it is answered, one line per request, so a transaction is there as a whole or
  not at all. What is written is the result (the item), not the request: replaying it needs no conditions and may be
  done twice. Journal and snapshot come in generations; a snapshot starts a new one.
* for every other service, its whole state, written before a call that changed it is answered. They are small.
* how far each event source mapping has read its stream, about twice a second. It is written after the records, so
  what a function may not have seen is delivered again, and nothing is skipped.

Limits: "kept" means handed to the operating system, which outlives the process but not a power cut. Log events and
the deletions of messages that a function has just handled are written late: the former can be lost, the latter makes a
message come twice. A queue is written whole for each message sent, so queues of many thousands are slow.
"""

import asyncio
import json
import logging
import os
import re
import threading
import time
from collections import defaultdict

from ministack.core import persistence

log = logging.getLogger("freehold")

COMPACT_BYTES = 128 * 1024 * 1024
TICK_SECONDS = 0.5
# Some changes settle after the answer (a function becomes active); what was touched is written again until then.
SETTLE_SECONDS = 5.0

READS = re.compile(r"(Admin)?(Get|List|Describe|BatchGet|Query|Scan|Receive|Simulate|Filter|Lookup|Test|Search)")
DATA_PLANE = {
    "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems",
    "ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction", "TransactGetItems",
}
WHOLESALE = re.compile(r"(Restore|Import|CreateBackup|DeleteBackup|Export)")
# The stores of the DynamoDB service besides items, by the names its own saved state gives them.
STORES = {
    "tags": "_tags", "ttl_settings": "_ttl_settings", "pitr_settings": "_pitr_settings",
    "kinesis_destinations": "_kinesis_destinations", "contributor_insights": "_contributor_insights",
    "resource_policies": "_resource_policies",
}
COPIES = {"backups": "_backups", "exports": "_exports", "imports": "_imports"}


def encode(value):
    return json.dumps(value, default=persistence._json_default, separators=(",", ":"))


def decode(text):
    return json.loads(text, object_hook=persistence._json_object_hook)


def write_whole(path, text):
    """Replaces a file in one step, so that a death in the middle leaves the old one."""
    partial = f"{path}.partial"
    with open(partial, "w") as file:
        file.write(text)
    os.replace(partial, path)


def scope_of(table):
    """Account, region and name, from the table's ARN."""
    parts = table["TableArn"].split(":", 5)
    return [parts[4], parts[3], table["TableName"]]


class Tables:
    """The journal and snapshots of the DynamoDB service."""

    def __init__(self, directory, dynamodb, mappings):
        self.directory = directory
        self.dynamodb = dynamodb
        self.mappings = mappings
        self.lock = threading.RLock()
        self.pending = []
        self.recording = False
        self.generation = 0
        self.file = None
        self.written = 0
        self.limit = COMPACT_BYTES
        self.positions = {}
        self._hook()

    def _path(self, kind, generation):
        return os.path.join(self.directory, f"tables-{generation}.{kind}")

    def _hook(self):
        """Notes every change where the service itself makes it, whichever request led there."""
        service = self.dynamodb
        set_item, remove_item, emit = service._set_item, service._remove_item, service._emit_stream_event

        def noted_set(table, pk, sk, item):
            old = set_item(table, pk, sk, item)
            self.note("set", *scope_of(table), item)
            return old

        def noted_remove(table, pk, sk):
            old = remove_item(table, pk, sk)
            if old is not None:
                keys = [name for name in (table["pk_name"], table["sk_name"]) if name]
                self.note("del", *scope_of(table), {name: old[name] for name in keys})
            return old

        def noted_emit(table_name, *args, **kwargs):
            end = service.stream_end_position(table_name)
            emit(table_name, *args, **kwargs)
            fresh = service.stream_records_since(table_name, end, 1)
            if fresh:
                self.note("rec", *scope_of(service._tables[table_name]), end, fresh[0])

        service._set_item, service._remove_item, service._emit_stream_event = noted_set, noted_remove, noted_emit

    def note(self, *entry):
        # Encoded at once: the service goes on to change what it holds.
        if self.recording:
            with self.lock:
                self.pending.append(encode(entry))

    def commit(self):
        """Hands what was noted to the operating system. Raises if it cannot, so that the request fails."""
        with self.lock:
            if not self.pending:
                return
            line = f"[{','.join(self.pending)}]\n".encode()
            self.pending = []
            view = memoryview(line)
            while view:
                view = view[os.write(self.file, view):]
            self.written += len(line)
        if self.written > self.limit:
            self.compact()

    def changed_tables(self, action):
        """After a call that changed tables and not items."""
        if WHOLESALE.match(action):
            self.compact()
        else:
            self.note("meta", self._state(items=False))
            self.commit()

    def note_positions(self):
        positions = {"\0".join(key): value for key, value in list(self.mappings._dynamodb_stream_positions.all_items())}
        if positions != self.positions:
            self.positions = positions
            self.note("pos", positions)

    def _state(self, items):
        service = self.dynamodb
        tables = type(service._tables)()
        for scope, table in service._tables.all_items():
            left_out = {service._INDEX_MEMBERS} if items else {service._INDEX_MEMBERS, "items"}
            tables.set_scoped(*scope, {key: value for key, value in table.items() if key not in left_out})
        stores = {**STORES, **COPIES} if items else STORES
        return {"tables": tables, **{name: getattr(service, store) for name, store in stores.items()}}

    def compact(self):
        """Writes a snapshot and begins a new journal. The old pair stays until the new one is complete."""
        service = self.dynamodb
        with service._lock, self.lock:
            streams = [
                [*scope, service.stream_start_position(scope[2], account_id=scope[0], region=scope[1]), records]
                for scope, records in service._stream_records.all_items()
            ]
            positions = {"\0".join(k): v for k, v in list(self.mappings._dynamodb_stream_positions.all_items())}
            text = encode({"state": self._state(items=True), "streams": streams, "positions": positions})
            old, self.generation = self.generation, self.generation + 1
            write_whole(self._path("snapshot", self.generation), text)
            if self.file is not None:
                os.close(self.file)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self.file = os.open(self._path("journal", self.generation), flags, 0o600)
            self.pending, self.written, self.limit = [], 0, max(COMPACT_BYTES, len(text))
            for kind in ("journal", "snapshot"):
                try:
                    os.remove(self._path(kind, old))
                except FileNotFoundError:
                    pass
            self.recording = True

    def restore(self):
        """Loads the newest snapshot and its journal."""
        found = [re.fullmatch(r"tables-(\d+)\.snapshot", name) for name in os.listdir(self.directory)]
        self.generation = max((int(match.group(1)) for match in found if match), default=0)
        if self.generation == 0:
            return
        with open(self._path("snapshot", self.generation)) as file:
            snapshot = decode(file.read())
        self.dynamodb.load_persisted_state(snapshot["state"])
        for account, region, name, start, records in snapshot["streams"]:
            self.dynamodb._stream_records.set_scoped(account, region, name, records)
            self.dynamodb._stream_trimmed.set_scoped(account, region, name, start)
        self.positions = snapshot["positions"]
        try:
            with open(self._path("journal", self.generation)) as file:
                for line in file:
                    # A line without its end was being written when the process died: nobody was told of it.
                    if line.endswith("\n"):
                        for entry in decode(line):
                            self._replay(*entry)
        except FileNotFoundError:
            pass
        for table in self.dynamodb._tables.all_values():
            self.dynamodb._items_replaced(table)

    def _replay(self, kind, *rest):
        if kind == "meta":
            self._replay_tables(*rest)
        elif kind == "pos":
            self.positions.update(rest[0])
        else:
            account, region, name, *content = rest
            table = self.dynamodb._tables.get_scoped(account, region, name)
            if table is not None:
                {"set": self._replay_set, "del": self._replay_del, "rec": self._replay_rec}[kind](table, rest, *content)

    def _keys(self, table, item):
        key = self.dynamodb._extract_key_val
        return key(item[table["pk_name"]]), key(item[table["sk_name"]]) if table["sk_name"] else "__no_sort__"

    def _replay_set(self, table, _scope, item):
        pk, sk = self._keys(table, item)
        table["items"].setdefault(pk, {})[sk] = item

    def _replay_del(self, table, _scope, keys):
        pk, sk = self._keys(table, keys)
        rows = table["items"].get(pk, {})
        rows.pop(sk, None)
        if not rows:
            table["items"].pop(pk, None)

    def _replay_rec(self, table, scope, position, record):
        service, scope = self.dynamodb, scope[:3]
        if record["eventSourceARN"] != table.get("LatestStreamArn"):
            return
        records = service._stream_records.get_scoped(*scope)
        if records is None:
            records = []
            service._stream_records.set_scoped(*scope, records)
            service._stream_trimmed.set_scoped(*scope, position)
        # Records can have left at the front (by age) between two that were noted; the position is what counts.
        start = service._stream_trimmed.get_scoped(*scope, 0)
        if position >= start + len(records):
            service._stream_trimmed.set_scoped(*scope, position - len(records))
            records.append(record)

    def _replay_tables(self, state):
        service = self.dynamodb
        for scope, table in state["tables"].all_items():
            old = service._tables.get_scoped(*scope)
            # A table of the same name that was deleted and made again is another table.
            kept = old and old.get("TableId") == table.get("TableId")
            table["items"] = old["items"] if kept else defaultdict(dict)
            if not kept or old.get("LatestStreamArn") != table.get("LatestStreamArn"):
                service._stream_records.pop_scoped(*scope, None)
                service._stream_trimmed.pop_scoped(*scope, None)
        for store in ("_tables", *STORES.values()):
            getattr(service, store)._data.clear()
        service.load_persisted_state(state)
        for scope, _ in service._stream_records.all_items():
            if service._tables.get_scoped(*scope) is None:
                service._stream_records.pop_scoped(*scope, None)

    def restore_positions(self):
        """Each mapping goes on where it was last known to be, from whichever of the two files is further."""
        store = self.mappings._dynamodb_stream_positions
        for key, position in self.positions.items():
            scope = tuple(key.split("\0"))
            if self.mappings._esms.contains_scoped(*scope):
                store.set_scoped(*scope, max(position, store.get_scoped(*scope, 0)))


class Keeper:
    """Stands between the emulator's router and its services."""

    def __init__(self, gateway, directory):
        self.gateway = gateway
        self.directory = directory
        self.touched = {}
        self.queues = None
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self.tables = Tables(directory, gateway._get_module("dynamodb"), gateway._get_module("lambda_svc"))
        # Tables are ours to save and restore.
        gateway._state_map.pop("dynamodb", None)
        for service, handler in list(gateway.SERVICE_HANDLERS.items()):
            wrap = self._tables_handler if service == "dynamodb" else self._handler
            gateway.SERVICE_HANDLERS[service] = wrap(service, handler)
        self._hook_sign_in(gateway._get_module("cognito"))
        self._hook_life(gateway)

    def _tables_handler(self, _service, handler):
        async def handle(method, path, headers, body, query):
            try:
                response = await handler(method, path, headers, body, query)
            finally:
                self.tables.commit()
            action = headers.get("x-amz-target", "").rpartition(".")[2]
            if response[0] < 400 and action not in DATA_PLANE and not READS.match(action):
                self.tables.changed_tables(action)
            return response
        return handle

    def _handler(self, service, handler):
        config = self.gateway.SERVICE_REGISTRY[service]
        keys = [config.get("state_key", config["module"]), *config.get("sub_modules", ())]

        async def handle(method, path, headers, body, query):
            response = await handler(method, path, headers, body, query)
            if response[0] < 400 and changes(method, path, headers, body, query):
                self.keep(keys)
            return response
        return handle

    def _hook_sign_in(self, cognito):
        """The sign-in page and the token endpoint are routed past the services' handlers."""
        submit, token = cognito.handle_login_submit, cognito.handle_oauth2_token

        def kept_submit(*args):
            response = submit(*args)
            self.keep(["cognito"])
            return response

        async def kept_token(*args):
            response = await token(*args)
            self.keep(["cognito"])
            return response

        cognito.handle_login_submit, cognito.handle_oauth2_token = kept_submit, kept_token

    def _hook_life(self, gateway):
        load, save = gateway._load_persisted_state, gateway.save_all
        mappings = self.tables.mappings
        start_poller = mappings._ensure_poller

        def restored():
            self.tables.restore()
            # The poller must not look before tables, streams and positions are all there.
            mappings._ensure_poller = lambda: None
            try:
                load()
                self.tables.restore_positions()
            finally:
                mappings._ensure_poller = start_poller
            self.tables.compact()

        def kept_load():
            try:
                restored()
            except Exception:
                # The server would go on with nothing, and write that over what there was.
                log.exception("the state in %s cannot be read", self.directory)
                os._exit(3)
            if mappings._esms.has_any():
                start_poller()
            self.ticker = asyncio.get_running_loop().create_task(self._tick())

        def kept_save(services):
            self.tables.commit()
            save(services)
            self.tables.compact()

        gateway._load_persisted_state, gateway.save_all = kept_load, kept_save

    def keep(self, keys):
        for key in keys:
            self.touched[key] = time.monotonic() + SETTLE_SECONDS
            self._write(key)

    def _write(self, key):
        module = self.gateway._loaded_modules.get(self.gateway._state_map[key])
        state = module.get_state() if module is not None else None
        if state is not None:
            version = persistence._state_format_version(key)
            write_whole(
                os.path.join(self.directory, f"{key}.json"),
                encode({"__ministack_format__": version, "payload": state}),
            )

    async def _tick(self):
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self._write_late()
            except Exception:
                log.exception("could not write the emulator's state")

    def _write_late(self):
        """What changes without a request. Queues go before positions: a failed batch is first noted, then passed."""
        now = time.monotonic()
        for key, until in list(self.touched.items()):
            self._write(key)
            if until < now:
                self.touched.pop(key, None)
        queues = self.gateway._loaded_modules.get("sqs")
        if queues is not None:
            seen = {url: [message["id"] for message in queue["messages"]] for url, queue in queues._queues.all_items()}
            if seen != self.queues:
                self._write("sqs")
                self.queues = seen
        self.tables.note_positions()
        self.tables.commit()


def changes(method, path, headers, body, query):
    """Whether a call to a service other than DynamoDB can have changed something."""
    action = headers.get("x-amz-target", "").rpartition(".")[2] or (query.get("Action") or [""])[0]
    if not action and (match := re.search(rb"(?:^|&)Action=(\w+)", body or b"")):
        action = match.group(1).decode()
    if action:
        return not READS.match(action)
    return method not in ("GET", "HEAD", "OPTIONS") and not path.endswith("/invocations")
