#include "output.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace cli {
namespace {

using nlohmann::json;

/// {"net-a": [{"addr": "10.0.0.5"}]} as "net-a=10.0.0.5".
std::string addresses_text(const json& networks) {
  if (!networks.is_object()) return {};
  std::string out;
  for (const auto& [name, addresses] : networks.items()) {
    out += (out.empty() ? "" : "; ") + name + "=";
    bool first = true;
    for (const auto& address : addresses) {
      if (!first) out += ", ";
      out += address.value("addr", "");
      first = false;
    }
  }
  return out;
}

std::string size_text(const json& bytes) {
  if (!bytes.is_number_unsigned()) return {};
  double size = bytes.get<double>();
  for (const char* unit : {"B", "KiB", "MiB", "GiB", "TiB"}) {
    if (size < 1024 || std::string_view(unit) == "TiB")
      return fmt::format("{:.{}f} {}", size, size < 10 && unit[0] != 'B' ? 1 : 0, unit);
    size /= 1024;
  }
  return {};
}

/// Control characters would let a server's console or a name drive the terminal.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += '?';
    else
      out += c;
  }
  return out;
}

std::string plain_text(const json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_array() &&
      std::all_of(value.begin(), value.end(), [](const json& item) { return item.is_string(); })) {
    std::string out;
    for (const auto& item : value) out += (out.empty() ? "" : ", ") + item.get<std::string>();
    return out;
  }
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  std::uint32_t point = lead < 0x80   ? lead
                        : lead < 0xe0 ? lead & 0x1f
                        : lead < 0xf0 ? lead & 0x0f
                                      : lead & 7;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80)
    point = point << 6 | (static_cast<unsigned char>(text[at++]) & 0x3f);
  return point;
}

bool is_wide(std::uint32_t c) {
  return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
         (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
         (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
}

std::string table_text(const std::vector<std::string>& titles,
                       const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const std::string& title : titles) widths.push_back(display_width(title));
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], display_width(row[i]));
  std::string rule = "+";
  for (const std::size_t width : widths) rule += std::string(width + 2, '-') + "+";
  rule += '\n';
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string out = "|";
    for (std::size_t i = 0; i < cells.size(); ++i)
      out += " " + cells[i] + std::string(widths[i] - display_width(cells[i]), ' ') + " |";
    return out + "\n";
  };
  std::string out = rule + line(titles) + rule;
  for (const auto& row : rows) out += line(row);
  return out + rule;
}

std::string json_text(const Sheet& sheet) {
  const auto object = [&](const std::vector<json>& row) {
    nlohmann::ordered_json out = nlohmann::ordered_json::object();
    for (std::size_t i = 0; i < sheet.columns.size(); ++i)
      out[std::string(sheet.single ? sheet.columns[i].field : sheet.columns[i].title)] = row[i];
    return out;
  };
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const auto& row : sheet.rows) out.push_back(object(row));
  if (sheet.single) out = sheet.rows.empty() ? nlohmann::ordered_json::object() : out[0];
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) width += is_wide(next_code_point(text, at)) ? 2 : 1;
  return width;
}

std::string cell_text(const Column& column, const json& value, const NameOf& name_of) {
  switch (column.look) {
    case Look::Addresses:
      return printable(addresses_text(value));
    case Look::Size:
      return size_text(value);
    case Look::NameOf:
      if (value.is_object() && value.contains("id") && value["id"].is_string())
        return printable(name_of(column.noun, value["id"].get<std::string>()));
      break;
    case Look::Plain:
      break;
  }
  return printable(plain_text(value));
}

Sheet list_sheet(const Noun& noun, std::span<const json> things) {
  Sheet sheet;
  sheet.columns.assign(noun.columns.begin(), noun.columns.end());
  for (const json& thing : things) {
    std::vector<json> row;
    for (const Column& column : sheet.columns)
      row.push_back(thing.value(std::string(column.field), json()));
    sheet.rows.push_back(std::move(row));
  }
  return sheet;
}

Sheet show_sheet(const Noun& noun, const json& thing) {
  Sheet sheet;
  sheet.single = true;
  std::vector<json> row;
  for (auto it = thing.begin(); it != thing.end(); ++it) {
    if (it.key() == "links" || it.key() == "schema") continue;
    // The noun's column knows how it looks; sizes stay exact here.
    Column column{it.key(), it.key(), Look::Plain, {}};
    for (const Column& known : noun.columns)
      if (known.field == it.key() && known.look != Look::Size)
        column.look = known.look, column.noun = known.noun;
    sheet.columns.push_back(column);
    row.push_back(it.value());
  }
  sheet.rows.push_back(std::move(row));
  return sheet;
}

bool keep_columns(Sheet& sheet, std::span<const std::string> wanted, std::string& missing) {
  if (wanted.empty()) return true;
  std::vector<std::size_t> kept;
  for (const std::string& name : wanted) {
    const auto it = std::find_if(sheet.columns.begin(), sheet.columns.end(), [&](const Column& c) {
      return cloudos::equals_ignore_case(c.title, name) ||
             cloudos::equals_ignore_case(c.field, name);
    });
    if (it == sheet.columns.end()) {
      missing = name;
      return false;
    }
    kept.push_back(static_cast<std::size_t>(it - sheet.columns.begin()));
  }
  Sheet out;
  out.single = sheet.single;
  for (const std::size_t i : kept) out.columns.push_back(sheet.columns[i]);
  for (const auto& row : sheet.rows) {
    auto& cells = out.rows.emplace_back();
    for (const std::size_t i : kept) cells.push_back(row[i]);
  }
  sheet = std::move(out);
  return true;
}

std::string render(const Sheet& sheet, Format format, const NameOf& name_of) {
  if (format == Format::Json) return json_text(sheet);
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : sheet.rows) {
    auto& cells = rows.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i)
      cells.push_back(cell_text(sheet.columns[i], row[i], name_of));
  }
  if (format == Format::Value) {
    std::string out;
    for (const auto& row : rows)
      for (std::size_t i = 0; i < row.size(); ++i)
        out += row[i] + (sheet.single || i + 1 == row.size() ? "\n" : " ");
    return out;
  }
  if (!sheet.single) {
    if (rows.empty()) return "";
    std::vector<std::string> titles;
    for (const Column& column : sheet.columns) titles.emplace_back(column.title);
    return table_text(titles, rows);
  }
  std::vector<std::vector<std::string>> pairs;
  for (std::size_t i = 0; i < sheet.columns.size() && !rows.empty(); ++i)
    pairs.push_back({std::string(sheet.columns[i].field), rows[0][i]});
  return table_text({"Field", "Value"}, pairs);
}

}  // namespace cli
