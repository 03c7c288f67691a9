#include "output.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace cli {
namespace {

using nlohmann::json;

using nlohmann::ordered_json;

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

std::string quoted_pairs(const json& object) {
  std::string out;
  for (const auto& [key, value] : object.items())
    out += (out.empty() ? "" : ", ") + key + "='" + plain_text(value) + "'";
  return out;
}

/// An object, or a list of them one in each line.
std::string pairs_text(const json& value) {
  if (value.is_object()) return quoted_pairs(value);
  if (!value.is_array()) return plain_text(value);
  std::string out;
  for (const json& each : value)
    out += (out.empty() ? "" : ", ") + (each.is_object() ? quoted_pairs(each) : plain_text(each));
  return out;
}

std::string endpoints_text(const json& endpoints) {
  std::string out;
  for (const json& endpoint : endpoints) {
    const auto region = endpoint.find("region");
    out += (out.empty() ? "" : ", ") +
           (region != endpoint.end() && region->is_string() ? region->get<std::string>() + " "
                                                            : std::string()) +
           endpoint.value("interface", "") + ": " + endpoint.value("url", "");
  }
  return out;
}

std::string named_text(const json& value) {
  if (!value.is_object()) return plain_text(value);
  if (!value.contains("name")) return value.value("id", "");
  const auto domain = value.find("domain");
  return value.value("name", "") + (domain != value.end() && domain->is_object()
                                        ? "@" + domain->value("name", "")
                                        : std::string());
}

std::string id_in(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_object() ? value.value("id", "") : std::string();
}

/// A cell for programs: as it is, but names and addresses as people know them.
ordered_json cell_json(const Column& column, const json& value, const NameOf& name_of) {
  switch (column.look) {
    case Look::Addresses: {
      ordered_json out = ordered_json::object();
      if (value.is_object())
        for (const auto& [name, addresses] : value.items()) {
          out[name] = ordered_json::array();
          for (const auto& each : addresses) out[name].push_back(each.value("addr", ""));
        }
      return out;
    }
    case Look::NameOf:
      if (const std::string id = id_in(value); !id.empty()) return name_of(column, id);
      return value;
    case Look::Named:
      return value.is_null() ? ordered_json("") : ordered_json(named_text(value));
    case Look::State:
      return ordered_json(cell_text(column, value, name_of));
    default:
      return value;
  }
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

ordered_json sheet_json(const Sheet& sheet, const NameOf& name_of) {
  ordered_json out = ordered_json::array();
  for (const auto& row : sheet.rows) {
    ordered_json object = ordered_json::object();
    for (std::size_t i = 0; i < sheet.columns.size(); ++i) {
      const Column& column = sheet.columns[i];
      const std::string key(sheet.single ? column.field : column.title);
      // One thing is shown whole; lists show names, as their tables do.
      object[key] = sheet.single ? ordered_json(row[i]) : cell_json(column, row[i], name_of);
    }
    out.push_back(std::move(object));
  }
  if (!sheet.single) return out;
  return out.empty() ? ordered_json::object() : out[0];
}

/// RFC 4180: every text quoted, numbers not.
std::string csv_cell(const std::string& text, bool number) {
  if (number) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string csv_line(const std::vector<std::pair<std::string, bool>>& cells) {
  std::string out;
  for (const auto& [text, number] : cells) out += (out.empty() ? "" : ",") + csv_cell(text, number);
  return out + "\n";
}

/// The text of a cell with its own line ends: quotes keep them together.
std::pair<std::string, bool> csv_value(const Column& column, const json& value,
                                       const NameOf& name_of) {
  if (value.is_number()) return {value.dump(), true};
  if (column.look == Look::Plain && value.is_string()) return {value.get<std::string>(), false};
  return {cell_text(column, value, name_of), false};
}

std::string csv_text(const Sheet& sheet, const NameOf& name_of) {
  std::vector<std::pair<std::string, bool>> cells;
  if (sheet.single) {
    std::string out = csv_line({{"Field", false}, {"Value", false}});
    for (std::size_t i = 0; i < sheet.columns.size() && !sheet.rows.empty(); ++i)
      out += csv_line({{std::string(sheet.columns[i].field), false},
                       csv_value(sheet.columns[i], sheet.rows[0][i], name_of)});
    return out;
  }
  for (const Column& column : sheet.columns) cells.emplace_back(std::string(column.title), false);
  std::string out = csv_line(cells);
  for (const auto& row : sheet.rows) {
    cells.clear();
    for (std::size_t i = 0; i < row.size(); ++i)
      cells.push_back(csv_value(sheet.columns[i], row[i], name_of));
    out += csv_line(cells);
  }
  return out;
}

/// A word that no reader of YAML takes for a number, a truth, a date or a sign.
bool is_plain_yaml(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (text.empty() || !letter(text[0]) || text.back() == ' ') return false;
  for (const char c : text)
    if (!letter(c) && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '/' && c != ' ')
      return false;
  for (const std::string_view word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
    if (cloudos::equals_ignore_case(text, word)) return false;
  return true;
}

/// JSON's "\ud83d\ude00" as YAML's "\U0001f600": YAML has no halves of signs.
std::string with_whole_signs(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      out += text[i++];
      continue;
    }
    const bool halves =
        text.size() >= i + 12 && text[i + 1] == 'u' && text[i + 2] == 'd' &&
        (text[i + 3] == '8' || text[i + 3] == '9' || text[i + 3] == 'a' || text[i + 3] == 'b');
    if (!halves) {
      out += text.substr(i, 2);
      i += 2;
      continue;
    }
    const auto high = std::stoul(text.substr(i + 2, 4), nullptr, 16);
    const auto low = std::stoul(text.substr(i + 8, 4), nullptr, 16);
    out += fmt::format("\\U{:08x}", 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    i += 12;
  }
  return out;
}

std::string yaml_scalar(const ordered_json& value) {
  if (!value.is_string()) return value.dump(-1, ' ', false, json::error_handler_t::replace);
  const auto& text = value.get_ref<const std::string&>();
  if (is_plain_yaml(text)) return text;
  // JSON's quotes are YAML's; beyond ASCII all is escaped, so that no sign is left to chance.
  return with_whole_signs(value.dump(-1, ' ', true, json::error_handler_t::replace));
}

void write_yaml(std::string& out, const ordered_json& value, std::size_t depth) {
  const std::string indent(depth * 2, ' ');
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, member] : value.items()) {
      out += indent + yaml_scalar(key) + ":";
      if (member.is_structured() && !member.empty()) {
        out += "\n";
        write_yaml(out, member, depth + 1);
      } else {
        out += " " + yaml_scalar(member) + "\n";
      }
    }
  } else if (value.is_array() && !value.empty()) {
    for (const auto& item : value) {
      std::string inner;
      write_yaml(inner, item, depth + 1);
      // The first line of what is inside stands behind the dash.
      out += indent + "- " +
             (item.is_structured() && !item.empty()
                  ? inner.substr(std::min(inner.size(), depth * 2 + 2))
                  : yaml_scalar(item) + "\n");
    }
  } else {
    out += indent + yaml_scalar(value) + "\n";
  }
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) width += is_wide(next_code_point(text, at)) ? 2 : 1;
  return width;
}

std::string to_yaml(const ordered_json& value) {
  std::string out;
  write_yaml(out, value, 0);
  return out;
}

std::string cell_text(const Column& column, const json& value, const NameOf& name_of) {
  switch (column.look) {
    case Look::Addresses:
      return printable(addresses_text(value));
    case Look::Size:
      return size_text(value);
    case Look::NameOf:
      if (const std::string id = id_in(value); !id.empty()) return printable(name_of(column, id));
      break;
    case Look::Endpoints:
      return printable(value.is_array() ? endpoints_text(value) : plain_text(value));
    case Look::Named:
      return printable(named_text(value));
    case Look::Pairs:
      return printable(pairs_text(value));
    case Look::State:
      if (!value.is_boolean()) break;
      if (column.title == "Router Type") return value.get<bool>() ? "External" : "Internal";
      if (column.title == "Zone Status") return value.get<bool>() ? "available" : "not available";
      return value.get<bool>() ? "UP" : "DOWN";
    case Look::PortRange:
    case Look::Plain:
      break;
  }
  return printable(plain_text(value));
}

json value_at(const json& thing, std::string_view field) {
  if (!thing.is_object()) return {};
  if (const auto it = thing.find(std::string(field)); it != thing.end()) return *it;
  const auto dot = field.find('.');
  if (dot == field.npos) return {};
  const auto it = thing.find(std::string(field.substr(0, dot)));
  return it == thing.end() ? json() : value_at(*it, field.substr(dot + 1));
}

Sheet list_sheet(std::span<const Column> columns, std::span<const json> things) {
  Sheet sheet;
  sheet.columns.assign(columns.begin(), columns.end());
  for (const json& thing : things) {
    std::vector<json> row;
    for (const Column& column : sheet.columns) {
      json value = value_at(thing, column.field);
      if (column.look == Look::PortRange && value.is_number()) {
        const json last = value_at(thing, "port_range_max");
        value = value.dump() + ":" + (last.is_number() ? last.dump() : "");
      }
      row.push_back(std::move(value));
    }
    sheet.rows.push_back(std::move(row));
  }
  return sheet;
}

Sheet show_sheet(std::span<const Column> columns, const json& thing) {
  Sheet sheet;
  sheet.single = true;
  std::vector<json> row;
  for (auto it = thing.begin(); it != thing.end(); ++it) {
    if (it.key() == "links" || it.key() == "schema") continue;
    sheet.titles.push_back(it.key());
    row.push_back(it.value());
  }
  for (const std::string& title : sheet.titles) {
    // The noun's column knows how it looks; sizes stay exact here, and states as they are.
    Column column{title, title};
    for (const Column& known : columns)
      if (known.field == title && known.look != Look::Size && known.look != Look::State &&
          known.look != Look::PortRange && column.look == Look::Plain) {
        column.look = known.look;
        column.noun = known.noun;
        column.member = known.member;
      }
    sheet.columns.push_back(column);
  }
  sheet.rows.push_back(std::move(row));
  return sheet;
}

namespace {

std::size_t find_column(const Sheet& sheet, std::string_view name) {
  for (std::size_t i = 0; i < sheet.columns.size(); ++i)
    if (cloudos::equals_ignore_case(sheet.columns[i].title, name)) return i;
  for (std::size_t i = 0; i < sheet.columns.size(); ++i)
    if (cloudos::equals_ignore_case(sheet.columns[i].field, name)) return i;
  return sheet.columns.size();
}

int order_of(const json& a, const json& b) {
  if (a.is_null() || b.is_null()) return (b.is_null() ? 1 : 0) - (a.is_null() ? 1 : 0);
  if (a.is_number() && b.is_number()) return a < b ? -1 : b < a;
  const std::string left = plain_text(a), right = plain_text(b);
  return left < right ? -1 : right < left;
}

}  // namespace

bool keep_columns(Sheet& sheet, std::span<const std::string> wanted, bool with_long,
                  std::string& missing) {
  std::vector<std::size_t> kept;
  for (const std::string& name : wanted) {
    const std::size_t i = find_column(sheet, name);
    if (i == sheet.columns.size()) {
      missing = name;
      return false;
    }
    kept.push_back(i);
  }
  if (wanted.empty())
    for (std::size_t i = 0; i < sheet.columns.size(); ++i)
      if (with_long ? !sheet.columns[i].not_long : !sheet.columns[i].with_long) kept.push_back(i);
  std::vector<Column> columns;
  for (const std::size_t i : kept) columns.push_back(sheet.columns[i]);
  for (auto& row : sheet.rows) {
    std::vector<json> cells;
    for (const std::size_t i : kept) cells.push_back(row[i]);
    row = std::move(cells);
  }
  sheet.columns = std::move(columns);
  return true;
}

bool sort_rows(Sheet& sheet, std::span<const std::string> keys, std::string& missing) {
  std::vector<std::pair<std::size_t, bool>> order;
  for (const std::string& each : keys) {
    for (const std::string_view key : cloudos::split(each, ',')) {
      const bool descends = key.ends_with(":desc");
      const bool ascends = key.ends_with(":asc");
      const std::string name(key.substr(0, key.size() - (descends ? 5 : ascends ? 4 : 0)));
      const std::size_t i = find_column(sheet, name);
      if (i == sheet.columns.size()) {
        missing = name;
        return false;
      }
      order.emplace_back(i, descends);
    }
  }
  std::stable_sort(sheet.rows.begin(), sheet.rows.end(), [&](const auto& a, const auto& b) {
    for (const auto& [i, descends] : order)
      if (const int way = order_of(a[i], b[i])) return descends ? way > 0 : way < 0;
    return false;
  });
  return true;
}

std::string render(const Sheet& sheet, Format format, const NameOf& name_of) {
  if (format == Format::Json)
    return sheet_json(sheet, name_of).dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  if (format == Format::Yaml) return to_yaml(sheet_json(sheet, name_of));
  if (format == Format::Csv) return csv_text(sheet, name_of);
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
