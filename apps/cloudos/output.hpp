#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "verbs/commands.hpp"

namespace cli {

enum class Format { Table, Json, Yaml, Csv, Value };

using Column = cloudos::verbs::Column;
using Look = cloudos::verbs::Look;

/// What is printed: rows of cells under titles, each cell as JSON with the way it looks.
struct Sheet {
  std::vector<Column> columns;
  std::vector<std::vector<nlohmann::json>> rows;
  bool single = false;              ///< One thing, shown as Field and Value.
  std::vector<std::string> titles;  ///< Owns what `columns` of single things view.
};

/// A member of a thing known by its id, for Look::NameOf.
using NameOf = std::function<std::string(const Column& column, const std::string& id)>;

/// The value at a field of a thing: a member, or a path to one with dots.
nlohmann::json value_at(const nlohmann::json& thing, std::string_view field);
/// Rows under these columns; without any, under every member of the things.
Sheet list_sheet(std::span<const Column> columns, std::span<const nlohmann::json> things);
/// Every member, sorted by name; the noun's columns know how some look.
Sheet show_sheet(std::span<const Column> columns, const nlohmann::json& thing);
/// Keeps the columns asked for, in that order; titles and fields both name them, without case.
/// None asked for: those that are not for --long, unless `with_long`. False: one is not there
/// (`missing` says which).
bool keep_columns(Sheet& sheet, std::span<const std::string> wanted, bool with_long,
                  std::string& missing);
/// Orders rows by "COLUMN" or "COLUMN:desc", the first one foremost: numbers as numbers, what is
/// not there first. False: a column is not there.
bool sort_rows(Sheet& sheet, std::span<const std::string> keys, std::string& missing);
/// The text for stdout, with its last line end.
std::string render(const Sheet& sheet, Format format, const NameOf& name_of);
/// A cell as a person reads it.
std::string cell_text(const Column& column, const nlohmann::json& value, const NameOf& name_of);
/// Columns on a terminal: code points, wide ones of East Asia count two.
std::size_t display_width(std::string_view text);
/// Any JSON as YAML; texts quoted wherever YAML could read them as something else.
std::string to_yaml(const nlohmann::ordered_json& value);

}  // namespace cli
