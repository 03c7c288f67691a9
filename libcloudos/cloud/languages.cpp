#include "cloud/languages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

namespace cloudos {
namespace {

namespace fs = std::filesystem;

Result<void> add_language(locale::Catalogues& catalogues, const std::string& tag, std::string po,
                          const std::string& where) {
  auto added = catalogues.add(tag, std::move(po));
  if (added) return added;
  Error error = added.error();
  error.message = fmt::format("{}: {}", where, error.message);
  return fail(std::move(error));
}

/// The .po files of a folder, in the order of their names.
Result<std::vector<fs::path>> po_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->path().extension() == ".po") files.push_back(at->path());
  if (error)
    return fail(error == std::errc::no_such_file_or_directory ? ErrorCode::NotFound
                                                              : ErrorCode::Unavailable,
                fmt::format("locale_dir: cannot read the folder '{}': {}", folder.native(),
                            error.message()));
  if (files.size() > limits::kLanguages)
    return fail(ErrorCode::TooLarge, fmt::format("locale_dir: '{}' has {} languages, at most {} are "
                                                 "read",
                                                 folder.native(), files.size(), limits::kLanguages));
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::string> read_po_file(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (!error && size > limits::kCatalogueBytes)
    return fail(ErrorCode::TooLarge, fmt::format("{}: a catalogue has at most {} bytes",
                                                 path.native(), limits::kCatalogueBytes));
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (error || !file)
    return fail(ErrorCode::Unavailable, fmt::format("cannot read the file '{}'", path.native()));
  return text;
}

}  // namespace

Result<std::unique_ptr<const locale::Catalogues>> read_languages(const Options& options) {
  std::unique_ptr<locale::Catalogues> catalogues;
  if (options.locale_dir.empty() && options.catalogues.empty()) return catalogues;
  catalogues = std::make_unique<locale::Catalogues>();
  if (!options.locale_dir.empty()) {
    CLOUDOS_TRY(const auto files, po_files(options.locale_dir));
    for (const fs::path& path : files) {
      CLOUDOS_TRY(std::string text, read_po_file(path));
      CLOUDOS_CHECK(add_language(*catalogues, path.stem().native(), std::move(text), path.native()));
    }
  }
  for (const auto& [tag, po] : options.catalogues)
    CLOUDOS_CHECK(add_language(*catalogues, tag, po, fmt::format("catalogues: {}", tag)));
  return catalogues;
}

}  // namespace cloudos
