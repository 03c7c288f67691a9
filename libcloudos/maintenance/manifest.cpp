#include "maintenance/manifest.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace cloudos::maintenance {

namespace {

constexpr std::string_view kFirstLine = "cloudos-backup ";
constexpr std::uint64_t kManifestVersion = 1;

std::string checksum_of(std::string_view text) {
  const std::string digest = sha256(text);
  return "sha256:" + to_hex({reinterpret_cast<const std::uint8_t*>(digest.data()), digest.size()});
}

Failure bad_manifest(std::string_view why) {
  return fail(ErrorCode::InvalidArgument,
              fmt::format("this is not a whole backup: its manifest {}", why));
}

/// Stays within the folder it is restored into.
bool is_inner_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string_view::npos)
    return false;
  for (const std::string_view part : split(path, '/'))
    if (part.empty() || part == "." || part == "..") return false;
  return true;
}

std::optional<ManifestEntry> parse_entry(std::string_view kind, std::string_view rest) {
  ManifestEntry entry;
  if (kind == "listed")
    entry.kind = ManifestEntry::Kind::Listed;
  else if (kind == "gone")
    entry.kind = ManifestEntry::Kind::Gone;
  else if (kind == "elsewhere")
    entry.kind = ManifestEntry::Kind::Elsewhere;
  std::string_view fields[3];
  for (std::string_view& field : fields) {
    const auto end = rest.find(' ');
    if (end == std::string_view::npos) return std::nullopt;
    field = rest.substr(0, end);
    rest.remove_prefix(end + 1);
  }
  if (!is_inner_path(rest)) return std::nullopt;
  entry.path = rest;
  const auto size = parse_unsigned(fields[1]);
  if (!size) return std::nullopt;
  entry.size = *size;
  entry.checksum = fields[2];
  if (entry.kind != ManifestEntry::Kind::File) return entry;
  entry.mode = 0;
  for (const char digit : fields[0]) {
    if (digit < '0' || digit > '7' || entry.mode > 077) return std::nullopt;
    entry.mode = entry.mode * 8 + static_cast<unsigned>(digit - '0');
  }
  return entry;
}

}  // namespace

std::string write_manifest(const Manifest& manifest) {
  std::string text = fmt::format("{}{}\nmade {}\nstore-format {}\nrevision {}\nfolder-id {}\n",
                                 kFirstLine, kManifestVersion, format_time(manifest.made_at),
                                 manifest.store_format, manifest.revision, manifest.folder_id);
  for (const ManifestEntry& entry : manifest.entries) {
    switch (entry.kind) {
      case ManifestEntry::Kind::File:
        text +=
            fmt::format("file {:o} {} {} {}\n", entry.mode, entry.size, entry.checksum, entry.path);
        break;
      case ManifestEntry::Kind::Listed:
        text += fmt::format("listed - {} {} {}\n", entry.size, entry.checksum, entry.path);
        break;
      case ManifestEntry::Kind::Gone:
        text += fmt::format("gone - 0 - {}\n", entry.path);
        break;
      case ManifestEntry::Kind::Elsewhere:
        text += fmt::format("elsewhere - {} {} {}\n", entry.size, entry.checksum, entry.path);
        break;
    }
  }
  return text + "end " + checksum_of(text) + "\n";
}

Result<Manifest> parse_manifest(std::string_view text) {
  if (!text.starts_with(kFirstLine)) return bad_manifest("does not begin as one");
  const auto version = parse_unsigned(
      text.substr(kFirstLine.size(), std::min(text.find('\n'), text.size()) - kFirstLine.size()));
  if (!version) return bad_manifest("has no version");
  if (*version > kManifestVersion) {
    return fail(ErrorCode::Unsupported,
                "the backup was made by a newer version of this program; restore it with that one");
  }
  const auto end = text.rfind("\nend ");
  if (end == std::string_view::npos) return bad_manifest("is cut off");
  const std::string_view body = text.substr(0, end + 1);
  if (trim(text.substr(end + 5)) != checksum_of(body)) return bad_manifest("was changed");
  Manifest manifest;
  bool ok = true;
  for (const std::string_view line : split(body.substr(0, body.size() - 1), '\n')) {
    const auto space = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, space);
    const std::string_view rest = line.substr(std::min(space + 1, line.size()));
    if (word == "made") {
      const auto made = parse_time(rest);
      ok = ok && made.has_value();
      if (made) manifest.made_at = *made;
    } else if (word == "store-format") {
      manifest.store_format = static_cast<std::uint32_t>(parse_unsigned(rest).value_or(0));
    } else if (word == "revision") {
      manifest.revision = parse_unsigned(rest).value_or(0);
    } else if (word == "folder-id") {
      manifest.folder_id = rest;
    } else if (word == "file" || word == "listed" || word == "gone" ||
               word == "elsewhere") {
      const auto entry = parse_entry(word, rest);
      ok = ok && entry.has_value();
      if (entry) manifest.entries.push_back(*entry);
    }
  }
  if (!ok) return bad_manifest("has lines that cannot be read");
  return manifest;
}

}  // namespace cloudos::maintenance
