"""libcloudos-c.so as ctypes sees it: finding it, its signatures, its errors. Nothing else here."""

from __future__ import annotations

import ctypes
import enum
import os
import pathlib
from ctypes import (POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint, c_uint32, c_uint64,
                    c_void_p)
from typing import Any, Optional

LIBRARY = "libcloudos-c.so.0"


class ErrorCode(enum.IntEnum):
    """What a caller can react to; the numbers are those of cloudos.h."""

    INVALID_ARGUMENT = 1
    UNAUTHENTICATED = 2
    FORBIDDEN = 3
    NOT_FOUND = 4
    ALREADY_EXISTS = 5
    CONFLICT = 6
    QUOTA_EXCEEDED = 7
    NO_CAPACITY = 8
    TOO_LARGE = 9
    UNSUPPORTED = 10
    STALE = 11
    UNAVAILABLE = 12
    TIMEOUT = 13
    STORAGE_FULL = 14
    INTERNAL = 15
    CANCELLED = 16


class CloudosError(Exception):
    """A call failed.

    ``code`` is an ErrorCode: what to react to. ``message`` says what happened, where, and what to
    do; it is safe to show.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    @property
    def retryable(self) -> bool:
        """The same call may succeed later without anyone changing anything."""
        return bool(lib.cloudos_code_is_retryable(int(self.code)))


LOG_FUNCTION = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_char_p, c_char_p)


class Options(ctypes.Structure):
    """cloudos_options; None and 0 are the defaults."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("data_dir", c_char_p),
        ("workers", c_int),
        ("role", c_int),
        ("without", c_uint),
        ("hypervisor", c_int),
        ("network", c_int),
        ("libvirt_uri", c_char_p),
        ("virt_type", c_char_p),
        ("hosts", POINTER(c_char_p)),
        ("host_count", c_size_t),
        ("admin_password", c_char_p),
        ("public_url", c_char_p),
        ("log", LOG_FUNCTION),
        ("log_data", c_void_p),
        ("log_level", c_int),
    ]


class Caller(ctypes.Structure):
    """cloudos_caller."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("token", c_char_p),
        ("project", c_char_p),
        ("user", c_char_p),
        ("as_member", c_int),
        ("within_ms", c_int64),
    ]


class Change(ctypes.Structure):
    """cloudos_change."""

    _fields_ = [("kind", c_char_p), ("id", c_char_p)]


class ChangeBatch(ctypes.Structure):
    """cloudos_change_batch."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("changes", POINTER(Change)),
        ("count", c_size_t),
        ("rescan", c_int),
        ("revision", c_uint64),
    ]


CHANGE_FUNCTION = ctypes.CFUNCTYPE(None, c_void_p, POINTER(ChangeBatch))


class SubscribeOptions(ctypes.Structure):
    """cloudos_subscribe_options."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("kinds", POINTER(c_char_p)),
        ("kind_count", c_size_t),
        ("has_since", c_int),
        ("since", c_uint64),
    ]


class ImageSpec(ctypes.Structure):
    """cloudos_image_spec."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("disk_format", c_char_p),
        ("visibility", c_char_p),
        ("min_disk_gib", c_uint32),
        ("min_ram_mib", c_uint32),
    ]


def _load() -> ctypes.CDLL:
    """CLOUDOS_LIBRARY if that is set; else what was installed with us; else the loader's."""
    chosen = os.environ.get("CLOUDOS_LIBRARY")
    if chosen:
        return ctypes.CDLL(chosen)
    # <prefix>/lib/python3/dist-packages/cloudos/_native.py, <prefix>/lib[/<architecture>]/
    parents = pathlib.Path(__file__).resolve().parents
    if len(parents) > 3:
        lib_dir = parents[3]
        for found in [lib_dir / LIBRARY, *sorted(lib_dir.glob(f"*-linux-*/{LIBRARY}"))]:
            if found.exists():
                return ctypes.CDLL(str(found))
    return ctypes.CDLL(LIBRARY)


def _declare(library: ctypes.CDLL) -> None:
    code, handle, error, text = c_int, c_void_p, POINTER(c_void_p), c_char_p
    out = POINTER(c_void_p)
    signatures = {
        "cloudos_code_is_retryable": (c_int, [code]),
        "cloudos_error_code": (code, [handle]),
        "cloudos_error_message": (text, [handle]),
        "cloudos_error_free": (None, [handle]),
        "cloudos_version": (text, []),
        "cloudos_free": (None, [handle]),
        "cloudos_open": (code, [POINTER(Options), out, error]),
        "cloudos_close": (None, [handle]),
        "cloudos_as": (code, [handle, POINTER(Caller), out, error]),
        "cloudos_cancel": (None, [handle]),
        "cloudos_subscribe": (code, [handle, POINTER(SubscribeOptions), CHANGE_FUNCTION, c_void_p,
                                     out, error]),
        "cloudos_subscription_end": (None, [handle]),
        "cloudos_call": (code, [handle, text, text, out, error]),
        "cloudos_verbs": (c_void_p, []),
        "cloudos_run_pending": (code, [handle, c_int64, POINTER(c_size_t), error]),
        "cloudos_next_deadline": (c_int64, [handle]),
        "cloudos_wake_fd": (c_int, [handle]),
        "cloudos_task_wait": (code, [handle, text, c_int64, out, error]),
        "cloudos_server_wait": (code, [handle, text, c_int64, out, error]),
        "cloudos_image_create_from_file": (code, [handle, POINTER(ImageSpec), text, out, error]),
        "cloudos_image_id": (text, [handle]),
        "cloudos_image_free": (None, [handle]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments


lib = _load()
_declare(lib)


def version() -> str:
    """The library's version: "0.1.0"."""
    return str(lib.cloudos_version().decode())


def check(code: int, error: c_void_p) -> None:
    """Raises CloudosError unless the code is CLOUDOS_OK; frees the error either way."""
    if code == 0:
        return
    message = lib.cloudos_error_message(error).decode("utf-8", "replace")
    lib.cloudos_error_free(error)
    raise CloudosError(ErrorCode(code), message)


def invoke(function: Any, *arguments: Any) -> c_void_p:
    """Calls a function whose last two places are for what it gives and for the error."""
    given, error = c_void_p(), c_void_p()
    check(function(*arguments, byref(given), byref(error)), error)
    return given


def take_text(pointer: Optional[int]) -> str:
    """Text that a call gave us: copied, and freed."""
    try:
        return ctypes.string_at(pointer).decode() if pointer else ""
    finally:
        lib.cloudos_free(pointer)


def to_bytes(text: Optional[object]) -> Optional[bytes]:
    """Text as C takes it; None stays None. Errors: INVALID_ARGUMENT (a NUL, a lone surrogate)."""
    if text is None:
        return None
    try:
        plain = os.fspath(text) if isinstance(text, os.PathLike) else text
        data = plain if isinstance(plain, bytes) else str(plain).encode()
    except UnicodeEncodeError:
        raise CloudosError(ErrorCode.INVALID_ARGUMENT, "a text is no valid UTF-8") from None
    if b"\0" in data:
        raise CloudosError(ErrorCode.INVALID_ARGUMENT, "a text has a NUL in it")
    return data
