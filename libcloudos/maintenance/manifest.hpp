#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloudos/clock.hpp"

/// The list of what a backup holds: lines of text, ended by a checksum of themselves.
///
///   cloudos-backup 1
///   made 2026-11-22T10:00:00Z
///   store-format 1
///   revision 123
///   folder-id 0a1b2c3d
///   file 600 8192 sha256:… store/data.mdb
///   listed - 1048576 sha512:… images/<id>
///   gone - 0 - images/<id>
///   elsewhere - 1048576 sha512:… <store>/<id>
///   end sha256:…
namespace cloudos::maintenance {

struct ManifestEntry {
  enum class Kind : std::uint8_t {
    File,    ///< It is in the backup.
    Listed,  ///< It was there, and is kept elsewhere.
    Gone,    ///< The store names it, but it was deleted while the backup ran.
    Elsewhere,  ///< Data of an image in a further store: `path` is "<store>/<id>".
  } kind = Kind::File;
  unsigned mode = 0600;
  std::uint64_t size = 0;
  std::string checksum;  ///< "sha256:…" or "sha512:…"
  std::string path;      ///< Within the data folder.
};

struct Manifest {
  WallTime made_at;
  std::uint32_t store_format = 0;
  std::uint64_t revision = 0;
  std::string folder_id;
  std::vector<ManifestEntry> entries;
};

inline constexpr std::string_view kManifestName = "manifest";

std::string write_manifest(const Manifest& manifest);
/// Errors: InvalidArgument (no manifest, or damaged), Unsupported (of a newer version).
Result<Manifest> parse_manifest(std::string_view text);

}  // namespace cloudos::maintenance
