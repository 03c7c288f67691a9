"""The cloud itself: opened, asked, closed."""

from __future__ import annotations

import contextlib
import ctypes
import json
import threading
import warnings
import weakref
from typing import (Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence,
                    Tuple)

from . import _native
from ._native import CloudosError, ErrorCode, invoke, lib, to_bytes
from .nouns import Nouns, Resource, table_of

_LEVELS = ["", "debug", "info", "warning", "error"]
_ROLES = ["runner", "guest", "any"]
_BACKENDS = ["simulated", "real"]
_NETWORKS = [*_BACKENDS, "user"]
_WITHOUT = {"compute": 1, "networks": 2, "images": 4}
Log = Callable[[str, str, str, str], None]


def open(
    data_dir: Optional[Any] = None,
    *,
    workers: Optional[int] = None,
    role: str = "runner",
    without: Sequence[str] = (),
    hypervisor: str = "simulated",
    network: str = "simulated",
    libvirt_uri: Optional[str] = None,
    virt_type: Optional[str] = None,
    hosts: Sequence[str] = (),
    admin_password: Optional[str] = None,
    public_url: Optional[str] = None,
    log: Optional[Log] = None,
    log_level: str = "info",
) -> "Cloud":
    """Opens (or makes) the folder and starts work on what it finds; no folder: in memory.

    workers: threads for tasks; 0: none, you call run_pending(). role: "runner", "guest" (beside
    the process that runs the folder) or "any". without: services to leave out, of "compute",
    "networks", "images". hypervisor, network: "simulated" or "real"; network also "user": a NAT
    for each guest, without root. log: called as log(level, room, message, request_id) from any
    thread.

    Errors: CONFLICT (another process runs this folder), INVALID_ARGUMENT, STORAGE_FULL,
    UNAVAILABLE (the folder is not writable), NOT_FOUND (a guest finds no folder).
    """
    options = _native.Options(struct_size=ctypes.sizeof(_native.Options))
    options.data_dir = to_bytes(data_dir)
    if workers is not None:
        options.workers = workers if workers > 0 else -1 if workers == 0 else -2
    options.role = _choice(role, _ROLES, "role")
    for service in without:
        options.without |= _WITHOUT[_one_of(service, list(_WITHOUT), "without")]
    options.hypervisor = _choice(hypervisor, _BACKENDS, "hypervisor")
    options.network = _choice(network, _NETWORKS, "network")
    options.libvirt_uri, options.virt_type = to_bytes(libvirt_uri), to_bytes(virt_type)
    names = (ctypes.c_char_p * max(1, len(hosts)))(*[to_bytes(name) for name in hosts])
    options.hosts, options.host_count = names, len(hosts)
    options.admin_password, options.public_url = to_bytes(admin_password), to_bytes(public_url)
    options.log_level = _choice(log_level, _LEVELS, "log_level")
    callback = _log_function(log) if log is not None else None
    if callback is not None:
        options.log = callback
    return Cloud(_Handle(invoke(lib.cloudos_open, ctypes.byref(options)), callback))


class Cloud(Nouns):
    """A way into a cloud, as somebody. A context manager: leaving it closes it.

    Thread-safe: calls run in parallel, without the interpreter's lock. close() waits for those
    that are under way.
    """

    def __init__(self, handle: "_Handle") -> None:
        self._handle = handle
        self._table = table_of(verbs())
        self._finalizer = weakref.finalize(self, _forgotten, handle)

    def __enter__(self) -> "Cloud":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def close(self) -> None:
        """Ends this handle; the cloud stops with its last one. Guests run on. Safe to repeat."""
        self._finalizer.detach()
        self._handle.close()

    @property
    def closed(self) -> bool:
        return self._handle.closed

    def verbs(self) -> List[Dict[str, Any]]:
        """Every verb: name, method, path, parameters, help."""
        return verbs()

    def call(self, verb: str, parameters: Optional[Mapping[str, Any]] = None) -> Any:
        """Does one verb and returns its reply as Python data. Resources stand for their ids.

        Errors: INVALID_ARGUMENT (an unknown verb: the message names the nearest), the service's.
        """
        text = json.dumps(_plain(dict(parameters or {})))
        with self._handle.use() as handle:
            reply = invoke(lib.cloudos_call, handle, to_bytes(verb), to_bytes(text))
        return json.loads(_native.take_text(reply.value) or "null")

    def as_(self, *, token: Optional[str] = None, project: Optional[str] = None,
            user: Optional[str] = None, member: bool = False,
            within: Optional[float] = None) -> "Cloud":
        """The same cloud as somebody else; close it too.

        token: as whom it was made for. Else you vouch: project and user are ids; member: with the
        roles member and reader instead of this cloud's. A cloud that acts by a token takes another
        project alone, in which it has the roles that its bearer has there. within: seconds, behind
        which calls by the new one end with TIMEOUT.
        Errors: UNAUTHENTICATED (the token, or no role in the project), INVALID_ARGUMENT.
        """
        caller = _native.Caller(struct_size=ctypes.sizeof(_native.Caller), token=to_bytes(token),
                                project=to_bytes(project), user=to_bytes(user),
                                as_member=int(member),
                                within_ms=0 if within is None else max(1, _milliseconds(within)))
        with self._handle.use() as handle:
            other = invoke(lib.cloudos_as, handle, ctypes.byref(caller))
        return Cloud(_Handle(other, self._handle.callback))

    def cancel(self) -> None:
        """Calls by this one end with CANCELLED, now and later. From any thread; others go on."""
        with self._handle.use() as handle:
            lib.cloudos_cancel(handle)

    def subscribe(self, tell: "Tell", kinds: Sequence[str] = (),
                  since: Optional[int] = None) -> "Subscription":
        """Has tell(batch) called with what changes from now on, whoever changes it.

        kinds: "server", "port", "task", ...; none: all. since: an earlier batch's revision. On a
        thread of the cloud's, one call at a time; an exception of it is printed, and the next batch
        comes. Errors: FORBIDDEN (not an administrator), INVALID_ARGUMENT (an unknown kind).
        """
        return Subscription(self._handle, tell, kinds, since)

    # ---- your event loop ----

    def run_pending(self, budget: Optional[float] = None) -> int:
        """With workers=0: runs what is due on this thread, for at most `budget` seconds.

        Returns how many pieces of work ran. Errors: CONFLICT (the cloud has workers).
        """
        ran, error = ctypes.c_size_t(), ctypes.c_void_p()
        with self._handle.use() as handle:
            budget_ms = -1 if budget is None else _milliseconds(budget)
            code = lib.cloudos_run_pending(handle, budget_ms, ctypes.byref(ran),
                                           ctypes.byref(error))
        _native.check(code, error)
        return ran.value

    def next_deadline(self) -> Optional[float]:
        """Seconds until the next piece of work is due; None: none is."""
        with self._handle.use() as handle:
            left = lib.cloudos_next_deadline(handle)
        return None if left < 0 else left / 1000

    def wake_fd(self) -> int:
        """Readable when there is work earlier than next_deadline() said; -1 with workers."""
        with self._handle.use() as handle:
            return int(lib.cloudos_wake_fd(handle))

    # ---- what nouns build on ----

    def _wait_server(self, id: str, timeout: float) -> None:
        with self._handle.use() as handle:
            error = ctypes.c_void_p()
            code = lib.cloudos_server_wait(handle, to_bytes(id), _milliseconds(timeout), None,
                                           ctypes.byref(error))
        _native.check(code, error)

    def _wait_task(self, id: str, timeout: float) -> None:
        with self._handle.use() as handle:
            error = ctypes.c_void_p()
            code = lib.cloudos_task_wait(handle, to_bytes(id), _milliseconds(timeout), None,
                                         ctypes.byref(error))
        _native.check(code, error)

    def _image_from_file(self, path: Any, *, name: str, disk_format: str,
                         visibility: Optional[str], min_disk_gib: int, min_ram_mib: int) -> str:
        spec = _native.ImageSpec(struct_size=ctypes.sizeof(_native.ImageSpec), name=to_bytes(name),
                                 disk_format=to_bytes(disk_format),
                                 visibility=to_bytes(visibility), min_disk_gib=min_disk_gib,
                                 min_ram_mib=min_ram_mib)
        with self._handle.use() as handle:
            image = invoke(lib.cloudos_image_create_from_file, handle, ctypes.byref(spec),
                           to_bytes(path))
        try:
            return str(lib.cloudos_image_id(image).decode())
        finally:
            lib.cloudos_image_free(image)


class Batch(NamedTuple):
    """What changed since the batch before: pairs of kind and id, in no order.

    rescan: nobody knows any more what changed. revision: pass it as ``since`` after a restart.
    """

    changes: List[Tuple[str, str]]
    rescan: bool
    revision: int


Tell = Callable[[Batch], None]


class Subscription:
    """Changes as they are committed. A context manager; end it before its cloud is closed."""

    def __init__(self, handle: "_Handle", tell: Tell, kinds: Sequence[str],
                 since: Optional[int]) -> None:
        def call(_: Any, batch: Any) -> None:
            told = batch.contents
            tell(Batch([(c.kind.decode(), c.id.decode()) for c in told.changes[:told.count]],
                       bool(told.rescan), int(told.revision)))

        self._callback = _native.CHANGE_FUNCTION(call)  # Lives as long as what calls it.
        names = (ctypes.c_char_p * max(1, len(kinds)))(*[to_bytes(kind) for kind in kinds])
        options = _native.SubscribeOptions(
            struct_size=ctypes.sizeof(_native.SubscribeOptions), kinds=names,
            kind_count=len(kinds), has_since=int(since is not None), since=since or 0)
        with handle.use() as cloud:
            self._pointer: Optional[ctypes.c_void_p] = invoke(
                lib.cloudos_subscribe, cloud, ctypes.byref(options), self._callback, None)

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.end()

    def end(self) -> None:
        """After this returns nothing is told any more. Safe to repeat."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            lib.cloudos_subscription_end(pointer)


class _Handle:
    """A cloudos_cloud that is closed once, and never while a call uses it."""

    def __init__(self, pointer: ctypes.c_void_p, callback: Any) -> None:
        self._pointer: Optional[ctypes.c_void_p] = pointer
        self._users = 0
        self._changed = threading.Condition()
        self.callback = callback  # Lives as long as what calls it.

    @contextlib.contextmanager
    def use(self) -> Iterator[ctypes.c_void_p]:
        with self._changed:
            if self._pointer is None:
                raise CloudosError(ErrorCode.CONFLICT, "this cloud is closed")
            pointer = self._pointer
            self._users += 1
        try:
            yield pointer
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._pointer is None

    def close(self) -> None:
        with self._changed:
            pointer, self._pointer = self._pointer, None
            self._changed.wait_for(lambda: self._users == 0)
        if pointer is not None:
            lib.cloudos_close(pointer)


def verbs() -> List[Dict[str, Any]]:
    """Every verb of the library: name, method, path, parameters, help. Needs no cloud."""
    found: List[Dict[str, Any]] = json.loads(_native.take_text(lib.cloudos_verbs()) or "[]")
    return found


def _forgotten(handle: _Handle) -> None:
    if not handle.closed:
        warnings.warn("a cloudos.Cloud was never closed", ResourceWarning, stacklevel=2)
        handle.close()


def _log_function(log: Log) -> Any:
    def call(_: Any, level: int, room: bytes, message: bytes, request_id: bytes) -> None:
        log(_LEVELS[level], room.decode(), message.decode("utf-8", "replace"), request_id.decode())

    return _native.LOG_FUNCTION(call)


def _plain(value: Any) -> Any:
    """What JSON takes: resources become their ids, everything else stays."""
    if isinstance(value, Resource):
        return value.key
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(v) for v in value]
    return value


def _milliseconds(seconds: float) -> int:
    return max(0, min(int(seconds * 1000), 2**62))


def _one_of(value: str, known: Sequence[str], what: str) -> str:
    if value not in known:
        raise CloudosError(ErrorCode.INVALID_ARGUMENT,
                           f"{what} is none of {', '.join(k for k in known if k)}")
    return value


def _choice(value: str, known: Sequence[str], what: str) -> int:
    return list(known).index(_one_of(value, known, what))
