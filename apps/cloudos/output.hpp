#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "nouns.hpp"

namespace cli {

enum class Format { Table, Json, Value };

/// What is printed: rows of cells under titles, each cell as JSON with the way it looks.
struct Sheet {
  std::vector<Column> columns;
  std::vector<std::vector<nlohmann::json>> rows;
  bool single = false;  ///< One thing, shown as Field and Value.
};

/// Names of references, for Look::NameOf: noun and id to name.
using NameOf = std::function<std::string(std::string_view noun, const std::string& id)>;

/// Rows under the noun's columns.
Sheet list_sheet(const Noun& noun, std::span<const nlohmann::json> things);
/// Every member, sorted by name.
Sheet show_sheet(const Noun& noun, const nlohmann::json& thing);
/// Keeps the columns asked for, in that order; titles and fields both name them, without case.
/// False: one is not there (`missing` says which).
bool keep_columns(Sheet& sheet, std::span<const std::string> wanted, std::string& missing);
/// The text for stdout, with its last line end.
std::string render(const Sheet& sheet, Format format, const NameOf& name_of);
/// A cell as a person reads it.
std::string cell_text(const Column& column, const nlohmann::json& value, const NameOf& name_of);
/// Columns on a terminal: code points, wide ones of East Asia count two.
std::size_t display_width(std::string_view text);

}  // namespace cli
