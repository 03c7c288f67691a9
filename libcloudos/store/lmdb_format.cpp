#include "store/lmdb_format.hpp"

#include <fmt/format.h>
#include <lmdb.h>

#include <cerrno>

namespace cloudos::store::lmdb {

Key log_key(Revision revision, std::uint16_t part) {
  std::string rest;
  append_integer(rest, revision);
  append_integer(rest, part);
  return Key(kLogTag, rest);
}

std::optional<LogPart> parse_log(std::string_view key, std::string_view value) {
  constexpr std::size_t key_bytes = 1 + kRevisionBytes + 2;
  if (key.size() != key_bytes || key[0] != kLogTag || value.size() < 10) return std::nullopt;
  LogPart part;
  part.revision = read_integer<Revision>(key.substr(1));
  part.part = read_integer<std::uint16_t>(key.substr(1 + kRevisionBytes));
  part.before = read_integer<std::uint64_t>(value);
  part.count = read_integer<std::uint16_t>(value.substr(8));
  part.keys = value.substr(10);
  return part;
}

std::string format_record() {
  std::string value(kFormatName);
  append_integer(value, kFormatVersion);
  return value;
}

Result<void> check_format(std::string_view value) {
  if (!value.starts_with(kFormatName) || value.size() < kFormatName.size() + 4) {
    return fail(ErrorCode::Unsupported,
                "the store's folder holds the data of another program; choose another folder");
  }
  const auto version = read_integer<std::uint32_t>(value.substr(kFormatName.size()));
  if (version > kFormatVersion) {
    return fail(ErrorCode::Unsupported,
                fmt::format("the store was written by a newer version of this library (format {}, "
                            "this one reads up to {}); install that version again",
                            version, kFormatVersion));
  }
  return Result<void>();
}

Error damaged(std::string detail) {
  return {ErrorCode::Internal, "the store is damaged; restore its folder from a backup",
          std::move(detail)};
}

Error lmdb_error(int code, std::string_view doing) {
  const std::string detail = fmt::format("{}: {} ({})", doing, mdb_strerror(code), code);
  switch (code) {
    case MDB_MAP_FULL:
      return {ErrorCode::StorageFull,
              "the store has reached its size limit; nothing was changed: delete something, or "
              "raise the store limit and start again",
              detail};
    case ENOSPC:
    case EDQUOT:
      return {ErrorCode::StorageFull,
              "the disk that holds the store is full; nothing was changed: free some space",
              detail};
    case MDB_READERS_FULL:
      return {ErrorCode::Unavailable, "too many snapshots of the store are open; try again",
              detail};
    case EROFS:
    case EACCES:
    case EPERM:
      return {ErrorCode::Unavailable,
              "the store's folder is not writable for this user, or its disk is read-only", detail};
    case ENOENT:
    case ENOTDIR:
      return {ErrorCode::NotFound, "there is no store in the folder", detail};
    case ENOMEM:
      return {ErrorCode::Unavailable,
              "there is not enough address space for the store; lower the store limit or raise the "
              "process's limit (ulimit -v)",
              detail};
    case MDB_VERSION_MISMATCH:
      return {ErrorCode::Unsupported,
              "the store was written by another version of LMDB; install that version again",
              detail};
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
      return damaged(detail);
    default:
      return {ErrorCode::Unavailable,
              "the disk that holds the store reports errors; see the log, then start again",
              detail};
  }
}

}  // namespace cloudos::store::lmdb
